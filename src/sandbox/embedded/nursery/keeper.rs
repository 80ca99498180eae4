//! The keeper of a nursery: one process of our own binary, with one thread, between the bridge, the parent and its children.
//!
//! It starts the parent like any sandbox. For each order of the bridge it makes the groups, hands pipes and groups on to the
//! parent, hears of the child and waits for its end; what is left it takes away. Each child has a socket to the bridge of its
//! own, whose hang-up ends that child; the hang-up of the bridge's first socket ends everything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use super::super::cgroup::Version;
use super::super::keeper::{Failure, failed, make, receive, say, start};
use super::super::step::{Last, Plan, Word};
use super::super::{sys, watch};
use super::call::Call;
use super::child::{Order, Running};
use super::plan::Child;

/// Bytes of one word of the parent's: numbers, and one short text.
const LONGEST_WORD: usize = 4096;

/// What a nursery's keeper is told first; with it comes what the parent reads from its input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub parent: Plan,
    pub child: Child,
}

/// What the parent is told for it.
#[derive(Serialize)]
struct Birth<'a> {
    id: u64,
    /// The first descriptors after the complaint's are a group of version 2 and its list.
    group: bool,
    calls: &'a [Call],
}

/// What the parent says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Ready {
        #[serde(rename = "ready")]
        _python: String,
    },
    Failed {
        failed: String,
    },
    Born {
        id: u64,
        #[serde(rename = "pid")]
        _inside: i32,
    },
    Stillborn {
        id: u64,
        errno: i32,
    },
    Ended {
        id: u64,
        status: i32,
    },
}

/// From the first message to the end. False when it was not spoken to as a keeper is.
pub(in super::super) fn keep(bridge: &UnixStream) -> bool {
    let Ok((text, boot)) = receive(bridge, 1) else { return false };
    let Ok(task) = serde_json::from_slice::<Task>(&text) else { return false };
    let last = match raise(&task, boot, bridge) {
        Ok(()) => Word::Ended(Last::default()),
        Err(failure) => failure.into(),
    };
    let _ = say(bridge, &last);
    true
}

/// Starts the parent, and serves until the bridge or the parent has gone.
fn raise(task: &Task, mut descriptors: Vec<OwnedFd>, bridge: &UnixStream) -> Result<(), Failure> {
    // Some descriptors for each child, here and in the parent; a child's own limit is among its calls.
    let _ = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    let kind = SockType::SeqPacket;
    let (parent, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|error| failed("socket")(error.into()))?;
    for _ in 0..2 {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").map_err(failed("open /dev/null"))?;
        descriptors.push(null.into());
    }
    descriptors.push(theirs);
    let init = start(&task.parent, descriptors)?;
    let mut nursery = Nursery { bridge, parent, children: Vec::new(), count: 0 };
    let served = nursery.prepare(&task.child).and_then(|()| nursery.serve().map_err(failed("wait")));
    // With it end all children, which are in its PID namespace.
    init.end();
    nursery.close();
    served
}

struct Nursery<'a> {
    bridge: &'a UnixStream,
    parent: OwnedFd,
    children: Vec<Running>,
    count: u64,
}

/// What there is to wait for.
enum Source {
    Bridge,
    Parent,
    /// The bridge's hold on a child.
    Hold(u64),
    Complaint(u64),
}

impl Nursery<'_> {
    /// Tells the parent what children do, and waits until it has imported everything.
    fn prepare(&mut self, child: &Child) -> Result<(), Failure> {
        let text = serde_json::to_vec(child).map_err(|error| failed("plan")(error.into()))?;
        self.tell(&text, &[]).map_err(failed("tell the parent"))?;
        match self.hear().map_err(failed("hear of the parent"))? {
            Some((Said::Ready { .. }, _)) => {}
            Some((Said::Failed { failed: why }, _)) => {
                return Err(failed("prepare the parent")(io::Error::other(why)));
            }
            _ => return Err(failed("prepare the parent")(io::Error::other("it ended before it was ready"))),
        }
        say(self.bridge, &Word::Started { init: None }).map_err(failed("tell the bridge"))
    }

    /// Until the bridge has gone (`Ok`) or the parent has.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let period = match self.children.iter().any(|child| child.order.watch.is_some()) {
                true => PollTimeout::try_from(watch::PERIOD).map_err(io::Error::other)?,
                false => PollTimeout::NONE,
            };
            for source in self.wait(period)? {
                match source {
                    Source::Bridge => {
                        if !self.take_order()? {
                            return Ok(());
                        }
                    }
                    Source::Parent => match self.hear()? {
                        Some((said, process)) => self.note(said, process)?,
                        None => return Err(io::Error::other("the parent has ended")),
                    },
                    Source::Hold(id) => self.with(id, Running::end),
                    Source::Complaint(id) => self.with(id, Running::listen),
                }
            }
            self.children.iter_mut().for_each(Running::look);
        }
    }

    fn wait(&self, timeout: PollTimeout) -> io::Result<Vec<Source>> {
        let mut sources = vec![Source::Bridge, Source::Parent];
        let mut waited = vec![
            PollFd::new(self.bridge.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.parent.as_fd(), PollFlags::POLLIN),
        ];
        for child in &self.children {
            // The bridge has no more to say: what can be read is the end of the stream. It is told once.
            if !child.ended {
                sources.push(Source::Hold(child.id));
                waited.push(PollFd::new(child.bridge.as_fd(), PollFlags::POLLIN));
            }
            if let Some(complaint) = &child.complaint {
                sources.push(Source::Complaint(child.id));
                waited.push(PollFd::new(complaint.as_fd(), PollFlags::POLLIN));
            }
        }
        match poll(&mut waited, timeout) {
            Err(nix::errno::Errno::EINTR) => return Ok(Vec::new()),
            other => other?,
        };
        let happened = waited.iter().map(|one| one.revents().is_some_and(|events| !events.is_empty()));
        Ok(sources.into_iter().zip(happened.collect::<Vec<_>>()).filter_map(|(one, did)| did.then_some(one)).collect())
    }

    fn with(&mut self, id: u64, act: impl FnOnce(&mut Running)) {
        if let Some(child) = self.children.iter_mut().find(|child| child.id == id) {
            act(child);
        }
    }

    /// False when the bridge has gone.
    fn take_order(&mut self) -> io::Result<bool> {
        let Ok((text, mut pipes)) = receive(self.bridge, 4) else { return Ok(false) };
        let Some(socket) = pipes.pop() else { return Ok(false) };
        let order: Order = serde_json::from_slice(&text)?;
        self.count += 1;
        let mut child = Running {
            id: self.count,
            bridge: socket.into(),
            complaint: None,
            complained: String::new(),
            process: None,
            order,
            ended: false,
            memory_kills: 0,
        };
        match self.send_for(&mut child, &pipes) {
            Ok(()) => self.children.push(child),
            Err(failure) => child.close_failed(failure),
        }
        Ok(true)
    }

    /// Makes the groups and asks the parent for the child.
    fn send_for(&self, child: &mut Running, pipes: &[OwnedFd]) -> Result<(), Failure> {
        make(&child.order.groups)?;
        let (complaint, complain) = io::pipe().map_err(failed("pipe"))?;
        let mut doors = Vec::new();
        let second = child.order.groups.iter().find(|group| group.version == Version::V2);
        if let Some(group) = second {
            doors.push(File::open(&group.folder).map_err(failed("open the group"))?);
        }
        let first = child.order.groups.iter().filter(|group| group.version == Version::V1);
        for group in second.into_iter().chain(first) {
            doors.push(OpenOptions::new().write(true).open(&group.procs).map_err(failed("open the group"))?);
        }
        let birth = Birth { id: child.id, group: second.is_some(), calls: &child.order.calls };
        let text = serde_json::to_vec(&birth).map_err(|error| failed("plan")(error.into()))?;
        let handed: Vec<RawFd> = pipes
            .iter()
            .map(AsRawFd::as_raw_fd)
            .chain([complain.as_raw_fd()])
            .chain(doors.iter().map(AsRawFd::as_raw_fd))
            .collect();
        self.tell(&text, &handed).map_err(failed("tell the parent"))?;
        child.complaint = Some(complaint);
        Ok(())
    }

    fn tell(&self, text: &[u8], descriptors: &[RawFd]) -> io::Result<()> {
        let rights = [ControlMessage::ScmRights(descriptors)];
        let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        sendmsg::<()>(self.parent.as_raw_fd(), &[IoSlice::new(text)], rights, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// One word of the parent's; `None` when it has ended.
    fn hear(&self) -> io::Result<Option<(Said, Option<OwnedFd>)>> {
        let mut word = [0; LONGEST_WORD];
        let mut space = cmsg_space!(RawFd);
        let mut buffers = [IoSliceMut::new(&mut word)];
        let message =
            recvmsg::<()>(self.parent.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let length = message.bytes;
        let mut process = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = control {
                process = sys::adopt(&raw).pop();
            }
        }
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&word[..length])?, process)))
    }

    fn note(&mut self, said: Said, process: Option<OwnedFd>) -> io::Result<()> {
        match said {
            Said::Ready { .. } | Said::Failed { .. } => {}
            Said::Born { id, .. } => {
                let process = process.ok_or(io::ErrorKind::InvalidData)?;
                let pid = number(process.as_fd())?;
                self.with(id, |child| {
                    if child.ended {
                        let _ = sys::kill(process.as_fd());
                    }
                    child.process = Some((process, pid));
                });
            }
            Said::Stillborn { id, errno } => {
                if let Some(child) = self.take(id) {
                    child.close_failed(failed("fork")(io::Error::from_raw_os_error(errno)));
                }
            }
            Said::Ended { id, status } => {
                if let Some(child) = self.take(id) {
                    child.close(Some(status));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, id: u64) -> Option<Running> {
        let at = self.children.iter().position(|child| child.id == id)?;
        Some(self.children.swap_remove(at))
    }

    /// The parent has ended, and with it everybody.
    fn close(&mut self) {
        for child in self.children.drain(..) {
            child.close(None);
        }
    }
}

/// The number that a process has in our PID namespace.
fn number(process: BorrowedFd<'_>) -> io::Result<u32> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    // -1 once it has been reaped, which the parent does after it has told of it.
    Ok(number.unwrap_or(0))
}
