//! One child of a nursery, from its order to its end, as its keeper sees it.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::super::cgroup::Group;
use super::super::keeper::{Failure, clear, complaint_of, failed, say};
use super::super::step::{Last, Watch, Word};
use super::super::{sys, watch};
use super::call::Call;

/// Bytes of a complaint that are read at once: a step's name and a number.
const COMPLAINT: usize = 4096;
/// What a child says in the place of a complaint, once its walls stand.
const STANDS: &str = ".";

/// One child that the bridge wants; with it come the pipes and a socket of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub groups: Vec<Group>,
    /// Made before those that are the same for all.
    pub calls: Vec<Call>,
    pub watch: Option<Watch>,
}

/// One child, from its order to its end.
pub(super) struct Running {
    pub id: u64,
    pub bridge: UnixStream,
    /// Until its walls stand: what it complains of.
    pub complaint: Option<PipeReader>,
    pub complained: String,
    /// Once it is born: a descriptor of the process, and its number here.
    pub process: Option<(OwnedFd, u32)>,
    pub order: Order,
    /// It was us who ended it.
    pub ended: bool,
    pub memory_kills: u64,
}

impl Running {
    /// The bridge has let go, or the limit was met. One that is not born yet is ended when it is.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some((process, _)) = &self.process {
            let _ = sys::kill(process.as_fd());
        }
    }

    /// At its end it is known whether the walls stand.
    pub fn listen(&mut self) {
        let Some(pipe) = &mut self.complaint else { return };
        let mut bytes = [0; COMPLAINT];
        match pipe.read(&mut bytes) {
            Ok(count @ 1..) => self.complained += &String::from_utf8_lossy(&bytes[..count]),
            _ => {
                self.complaint = None;
                if self.complained == STANDS {
                    // Nobody listens: then the hang-up has come as well.
                    let init = self.process.as_ref().map(|(_, pid)| *pid);
                    let _ = say(&self.bridge, &Word::Started { init });
                }
            }
        }
    }

    /// At its memory, where no group holds it.
    pub fn look(&mut self) {
        let (Some((_, pid)), Some(limit)) = (&self.process, &self.order.watch) else { return };
        if !self.ended && watch::above(*pid, limit.limit, limit.swap, &limit.folders).is_some() {
            self.memory_kills += 1;
            self.end();
        }
    }

    /// It has ended, and was reaped. `status`: as waitpid(2) gives it.
    pub fn close(mut self, status: Option<i32>) {
        while self.complaint.is_some() {
            self.listen();
        }
        if self.complained != STANDS {
            let killed = || failed("fork")(io::Error::other("it ended before its walls stood"));
            let failure = complaint_of(&self.complained).unwrap_or_else(killed);
            return self.close_failed(failure);
        }
        let counted: u64 = self.order.groups.iter().map(|group| group.counters().oom_kills).sum();
        let left = clear(&self.order.groups);
        let exit_code = status.and_then(|status| code(status, self.ended));
        let last = Last { exit_code, memory_kills: self.memory_kills + counted, left };
        let _ = say(&self.bridge, &Word::Ended(last));
    }

    pub fn close_failed(self, failure: Failure) {
        clear(&self.order.groups);
        let _ = say(&self.bridge, &failure.into());
    }
}

/// As shells and engines count it; `None` when it was us.
fn code(status: i32, ended: bool) -> Option<i32> {
    match libc::WIFSIGNALED(status) {
        true if ended && libc::WTERMSIG(status) == libc::SIGKILL => None,
        true => Some(128 + libc::WTERMSIG(status)),
        false => Some(libc::WEXITSTATUS(status)),
    }
}
