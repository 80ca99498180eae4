//! The sandbox's parent: a fresh, single-threaded process of our own binary that stays outside the walls.
//!
//! It is given a plan and three pipes over its standard input, a Unix socket. It carries the plan out, waits until PID 1 has
//! ended or until the bridge hangs up (which it does when it is killed, too), ends everything, and takes away what is left.

use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::cgroup::{Fault, Group, Version};
use super::nursery::{self, NURSERY_KEEPER};
use super::step::{Last, Plan, Step, Watch, Word};
use super::sys::{self, Forked};
use super::{init, watch};

/// What the steps of control groups begin with.
pub(super) const CGROUP: &str = "cgroup: ";
/// Bytes of a plan: twenty times the largest seen, and no reason to take more.
const LARGEST_PLAN: u64 = 4 << 20;
/// Descriptors that come with one message: three pipes and a socket.
const MOST_DESCRIPTORS: usize = 4;

/// What the keeper's process runs, from its first line to its last. False when it was not spoken to as a keeper is.
pub fn main() -> bool {
    // Descriptor 0 is the socket; whatever else was inherited is none of ours.
    let _ = sys::close_from_on_exec(3);
    sys::default_signals();
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else { return false };
    let bridge = UnixStream::from(socket);
    if std::env::args_os().nth(1).is_some_and(|first| first == NURSERY_KEEPER) {
        return nursery::keep(&bridge);
    }
    let Ok((text, pipes)) = receive(&bridge, 3) else { return false };
    let Ok(plan) = serde_json::from_slice::<Plan>(&text) else { return false };
    let last = match keep(&plan, pipes, &bridge) {
        Ok(mut last) => {
            last.left = clear(&plan.groups);
            Word::Ended(last)
        }
        Err(failure) => {
            clear(&plan.groups);
            failure.into()
        }
    };
    // Nobody may be listening any more.
    let _ = say(&bridge, &last);
    true
}

/// A step that failed.
pub(super) struct Failure {
    pub step: String,
    pub error: io::Error,
}

impl From<Failure> for Word {
    fn from(Failure { step, error }: Failure) -> Self {
        Self::Failed { step, errno: error.raw_os_error().unwrap_or(0), reason: error.to_string() }
    }
}

pub(super) fn failed(step: impl ToString) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure { step: step.to_string(), error }
}

/// A text is preceded by its length, four bytes, with which so many descriptors come: for a plan the program's input, output and
/// the supervisor's.
pub(super) fn receive(mut bridge: &UnixStream, count: usize) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    let mut space = cmsg_space!([RawFd; MOST_DESCRIPTORS]);
    let mut buffers = [IoSliceMut::new(&mut length)];
    let message = recvmsg::<()>(
        bridge.as_raw_fd(),
        &mut buffers,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL,
    )?;
    let received = message.bytes;
    let mut pipes = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            pipes.extend(sys::adopt(&raw));
        }
    }
    if received != length.len() || pipes.len() != count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut text = Vec::new();
    Read::by_ref(&mut bridge).take(u64::from(u32::from_be_bytes(length)).min(LARGEST_PLAN)).read_to_end(&mut text)?;
    Ok((text, pipes))
}

pub(super) fn say(mut bridge: &UnixStream, word: &Word) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    bridge.write_all(&line)
}

fn keep(plan: &Plan, pipes: Vec<OwnedFd>, bridge: &UnixStream) -> Result<Last, Failure> {
    make(&plan.groups)?;
    let init = start(plan, pipes)?;
    if say(bridge, &Word::Started { init: init.pid.try_into().ok() }).is_err() {
        init.end();
        return Ok(Last::default());
    }
    let last = init.wait(bridge, plan.watch.as_ref()).map_err(failed("wait"));
    let mut last = match last {
        Ok(last) => last,
        Err(failure) => {
            init.end();
            return Err(failure);
        }
    };
    last.memory_kills += plan.groups.iter().map(|group| group.counters().oom_kills).sum::<u64>();
    Ok(last)
}

/// Makes the groups of one sandbox.
pub(super) fn make(groups: &[Group]) -> Result<(), Failure> {
    for group in groups {
        let refused = |fault: Fault| failed(format!("{CGROUP}{}", fault.step))(io::Error::other(fault.reason));
        group.make().map_err(refused)?;
    }
    Ok(())
}

/// Carries the plan out up to the moment in which the program runs. Its groups are made already.
pub(super) fn start(plan: &Plan, pipes: Vec<OwnedFd>) -> Result<Init, Failure> {
    let (complaint, complain) = io::pipe().map_err(failed("pipe"))?;
    for step in &plan.keeper {
        init::carry_out(step, complain.as_fd()).map_err(failed(step))?;
    }
    // Moving a process into a group of version 2 holds up every fork of the machine and takes 8 ms; being born in one does not.
    let group = plan.groups.iter().find(|group| group.version == Version::V2);
    let group = group.map(|group| File::open(&group.folder)).transpose().map_err(failed("open the group"))?;
    let child = match sys::fork(group.as_ref().map(AsFd::as_fd)).map_err(failed("fork"))? {
        Forked::Child => {
            drop(complaint);
            become_program(&plan.init, pipes, complain.into());
        }
        Forked::Parent { child } => child,
    };
    drop((pipes, complain));
    let init = Init { pid: child };
    let mut text = String::new();
    // Ends when the program runs, which closes the other end, or with what went wrong.
    File::from(OwnedFd::from(complaint)).read_to_string(&mut text).map_err(failed("hear of PID 1"))?;
    match complaint_of(&text) {
        Some(failure) => {
            init.end();
            Err(failure)
        }
        None => Ok(init),
    }
}

/// `step NUL errno-or-text`, or nothing.
pub(super) fn complaint_of(text: &str) -> Option<Failure> {
    if text.is_empty() {
        return None;
    }
    let (step, errno) = text.split_once('\0').unwrap_or((text, "0"));
    let error = match errno.parse() {
        Ok(errno @ 1..) => io::Error::from_raw_os_error(errno),
        _ => io::Error::other(errno.to_owned()),
    };
    Some(Failure { step: step.to_owned(), error })
}

/// What is done after the fork. Says on `complain` what failed, as `step NUL errno-or-text`, and never returns.
fn become_program(steps: &[Step], pipes: Vec<OwnedFd>, complain: OwnedFd) -> ! {
    let complain = File::from(complain);
    let (step, error) = match prepare(steps, pipes, complain.as_fd()) {
        Err(failure) => (failure.step, failure.error),
        Ok(()) => ("the plan".to_owned(), io::Error::other("ends without a program")),
    };
    let errno = error.raw_os_error().map_or_else(|| error.to_string(), |errno| errno.to_string());
    let _ = (&complain).write_all(format!("{step}\0{errno}").as_bytes());
    std::process::exit(1)
}

fn prepare(steps: &[Step], pipes: Vec<OwnedFd>, keeper: BorrowedFd<'_>) -> Result<(), Failure> {
    for (number, pipe) in pipes.into_iter().enumerate() {
        sys::place(pipe, number as RawFd).map_err(failed("pipes"))?;
    }
    steps.iter().try_for_each(|step| init::carry_out(step, keeper).map_err(failed(step)))
}

/// The sandbox's first process, whose end is the end of all of them.
pub(super) struct Init {
    pid: i32,
}

impl Init {
    /// Waits for the end of PID 1, or ends it: when the bridge hangs up, or at the limit of memory.
    fn wait(&self, bridge: &UnixStream, memory: Option<&Watch>) -> io::Result<Last> {
        let ended = sys::pidfd(self.pid)?;
        let timeout = match memory {
            Some(_) => PollTimeout::try_from(watch::PERIOD).map_err(io::Error::other)?,
            None => PollTimeout::NONE,
        };
        loop {
            let mut waited = [
                PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                // The bridge has no more to say: what can be read is the end of the stream.
                PollFd::new(bridge.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waited, timeout) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            let happened = |at: usize| waited[at].revents().is_some_and(|events| !events.is_empty());
            if happened(0) {
                return Ok(Last { exit_code: code(self.wait_for_end()), ..Last::default() });
            }
            if happened(1) {
                // It may have ended by itself in this moment.
                return Ok(Last { exit_code: self.end(), ..Last::default() });
            }
            if memory.is_some_and(|it| watch::above(self.pid.unsigned_abs(), it.limit, it.swap, &it.folders).is_some())
            {
                self.end();
                return Ok(Last { memory_kills: 1, ..Last::default() });
            }
        }
    }

    /// The kernel ends every process of the namespace with its first one, before that one can be reaped. Returns the exit code
    /// of a PID 1 that had ended by itself already.
    pub fn end(&self) -> Option<i32> {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        match self.wait_for_end() {
            Some(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => None,
            other => code(other),
        }
    }

    fn wait_for_end(&self) -> Option<WaitStatus> {
        loop {
            match waitpid(Pid::from_raw(self.pid), None) {
                Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) => return Some(status),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// As shells and engines count it.
fn code(status: Option<WaitStatus>) -> Option<i32> {
    match status? {
        WaitStatus::Exited(_, code) => Some(code),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32),
        _ => None,
    }
}

/// Takes the groups away; names what would not go.
pub(super) fn clear(groups: &[Group]) -> Vec<String> {
    let stays = |group: &Group| group.remove().err().map(|fault| format!("{}: {}", fault.step, fault.reason));
    groups.iter().filter_map(stays).collect()
}
