//! Making, reading and removing groups. Synchronous: the keeper does it, which has one thread and nothing else to do.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::group::{Counters, Counts, Group, Limit, Read};
use crate::sandbox::SandboxError;

/// A step that the kernel refused, or whose result was not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {reason}")]
pub struct Fault {
    /// E.g. `write 32 to /sys/fs/cgroup/pids/x/pids.max`.
    pub step: String,
    pub reason: String,
}

impl From<Fault> for SandboxError {
    fn from(Fault { step, reason }: Fault) -> Self {
        Self::CgroupRefused { step, reason }
    }
}

/// How long [`Group::remove`] waits for the dying. A killed process with much memory takes some 100 ms.
const REMOVE_LIMIT: Duration = Duration::from_secs(5);
/// Longest pause between two looks at a group that is not empty yet: the kernel tells nobody when one of version 1 is.
const PAUSE: Duration = Duration::from_millis(20);

impl Group {
    /// Makes the group with all its limits, each read back. Leaves nothing behind when it fails.
    pub fn make(&self) -> Result<(), Fault> {
        let folder = &self.folder;
        fs::create_dir(folder).map_err(|error| fault(format!("make {}", folder.display()), &error))?;
        let limited = self.limits.iter().try_for_each(|limit| limit.set(folder));
        if limited.is_err() {
            let _ = fs::remove_dir(folder);
        }
        limited
    }

    /// What the kernel counted so far; zero where it does not say.
    pub fn counters(&self) -> Counters {
        let one = |counter: &super::group::Counter| {
            let text = fs::read_to_string(self.folder.join(&counter.file)).unwrap_or_default();
            let count = value(&text, &counter.key).unwrap_or(0);
            match counter.counts {
                Counts::OomKills => Counters { oom_kills: count, ..Counters::default() },
                Counts::PidsDenied => Counters { pids_denied: count, ..Counters::default() },
            }
        };
        self.counters.iter().map(one).sum()
    }

    /// Kills what is inside and removes the group; done already is well done. Bounded (5 s).
    pub fn remove(&self) -> Result<(), Fault> {
        remove(&self.folder, REMOVE_LIMIT)
    }
}

impl Limit {
    fn set(&self, folder: &Path) -> Result<(), Fault> {
        let file = folder.join(&self.file);
        write(&file, &self.value)?;
        let text = fs::read_to_string(&file).map_err(|error| fault(format!("read {}", file.display()), &error))?;
        let text = text.trim();
        let holds = match self.read {
            Read::Same => text == self.value,
            Read::AtMost(most) => text.parse::<u64>().is_ok_and(|found| found <= most),
        };
        if holds {
            return Ok(());
        }
        Err(Fault { step: format!("write {} to {}", self.value, file.display()), reason: format!("it says {text}") })
    }
}

/// Writes a value in one piece, as the kernel wants it. The file must be there.
pub(super) fn write(file: &Path, value: &str) -> Result<(), Fault> {
    let written = fs::OpenOptions::new().write(true).open(file).and_then(|mut open| open.write_all(value.as_bytes()));
    written.map_err(|error| fault(format!("write {value} to {}", file.display()), &error))
}

/// Kills until nothing is left, then removes the folder. Children are made by nobody but us, and never below a sandbox's group.
pub(super) fn remove(folder: &Path, limit: Duration) -> Result<(), Fault> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() != Some(libc::EBUSY) || Instant::now() >= end => {
                return Err(fault(format!("remove {}", folder.display()), &error));
            }
            Err(_) => kill_all(folder),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE);
    }
}

fn kill_all(folder: &Path) {
    if write(&folder.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    for pid in members(folder) {
        // Gone already, or to be found again at the next look.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// The processes of a group as numbers of our own PID namespace. One from elsewhere is shown as 0 and left out: to `kill`, 0
/// means ourselves.
pub(super) fn members(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()
}

/// The number after `key` at the beginning of a line.
pub(super) fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

pub(super) fn fault(step: String, error: &io::Error) -> Fault {
    Fault { step, reason: meaning(error) }
}

/// What the numbers of errors mean here, where the system's own words mislead.
fn meaning(error: &io::Error) -> String {
    let meant = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "it is not ours to write",
        Some(libc::EBUSY) => "the kernel wants processes and limits in different groups, or something is still inside",
        Some(libc::ENOENT) => "the kernel does not have it here",
        Some(libc::EROFS) => "it is mounted read-only",
        Some(libc::EINVAL) => "not taken; a group above may allow less",
        Some(libc::EOPNOTSUPP) => "the group is a threaded one",
        Some(libc::ENOSPC | libc::EAGAIN) => "no more groups may be made (cgroup.max.descendants, cgroup.max.depth)",
        _ => return error.to_string(),
    };
    format!("{meant} ({error})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_whole_words() {
        let text = "low 0\noom 3\noom_kill 2\noom_group_kill 1\nmax nonsense\n";
        assert_eq!(value(text, "oom_kill"), Some(2));
        assert_eq!(value(text, "oom"), Some(3));
        assert_eq!(value(text, "max"), None);
        assert_eq!(value("", "max"), None);
    }

    #[test]
    fn a_limit_that_says_something_else_is_a_fault() {
        // An ordinary folder stands for the kernel's: it keeps what is written, and only that.
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("pids.max"), "").expect("a file");
        let limit = |value: &str, read| Limit { file: "pids.max".into(), value: value.into(), read };
        assert_eq!(limit("32", Read::Same).set(folder.path()), Ok(()));
        assert_eq!(limit("3200", Read::AtMost(3200)).set(folder.path()), Ok(()));
        let weaker = limit("4000", Read::AtMost(3999)).set(folder.path()).expect_err("4000 is more");
        assert_eq!(weaker.reason, "it says 4000");
        let max = limit("max ", Read::AtMost(3999)).set(folder.path()).expect_err("not a number");
        assert_eq!(max.reason, "it says max");
        let absent = Limit { file: "memory.max".into(), value: "1".into(), read: Read::Same }.set(folder.path());
        assert!(absent.expect_err("no such file").reason.contains("does not have it here"));
    }
}
