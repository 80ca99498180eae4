//! Who owns a sandbox: a label that lets a later bridge tell whether the owner still lives.

use std::fmt;
use std::str::FromStr;

/// The label that carries an [`Instance`].
pub(super) const LABEL: &str = "mcp-bridge.instance";
/// The label that carries the run's id.
pub(super) const RUN_LABEL: &str = "mcp-bridge.run";

/// One bridge process. `place` is one boot of one machine, seen from one PID namespace: only there does a PID mean anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    machine: String,
    place: String,
    pid: u32,
    /// When the process started, in the kernel's ticks; `0` where that cannot be told. Tells a reused PID.
    started: u64,
}

/// What is known of the owner of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It lives, or it is somewhere we cannot look.
    Alive,
    /// It is certainly gone.
    Dead,
    /// It ran on this machine before the last boot (or in another PID namespace): gone, unless that namespace still is.
    Elsewhere,
}

impl Instance {
    /// This process.
    pub(super) fn current() -> Self {
        let pid = std::process::id();
        let (machine, place) = here();
        Self { machine, place, pid, started: started(pid).unwrap_or(0) }
    }

    /// Is `other` this very process, as far as that can be told?
    pub(super) fn is(&self, other: &Self) -> bool {
        !self.machine.is_empty() && self == other
    }

    /// Is the process that wrote `other` gone? Asked by `self`, with what the system says of a PID.
    pub(super) fn judge(&self, other: &Self, started: impl Fn(u32) -> Option<u64>) -> Owner {
        if self.machine.is_empty() || self.machine != other.machine {
            return Owner::Alive;
        }
        if self.place != other.place {
            return Owner::Elsewhere;
        }
        match started(other.pid) {
            None => Owner::Dead,
            Some(ticks) if ticks != 0 && other.started != 0 && ticks != other.started => Owner::Dead,
            Some(_) => Owner::Alive,
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "1 {} {} {} {}", self.machine, self.place, self.pid, self.started)
    }
}

impl FromStr for Instance {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["1", machine, place, pid, started] => Ok(Self {
                machine: machine.to_owned(),
                place: place.to_owned(),
                pid: pid.parse().map_err(drop)?,
                started: started.parse().map_err(drop)?,
            }),
            _ => Err(()),
        }
    }
}

/// When a process started, if it runs: `Some(0)` where only its existence can be told. One that has ended and whose parent does not ask
/// for it, as a client may not, is gone.
#[cfg(target_os = "linux")]
pub(super) fn started(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the state is the first field after it, the start time the 20th (proc_pid_stat(5)).
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    fields.next().filter(|state| !["Z", "X"].contains(state))?;
    fields.nth(18)?.parse().ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn started(pid: u32) -> Option<u64> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    match nix::sys::signal::kill(pid, None) {
        Err(nix::errno::Errno::ESRCH) => None,
        _ => Some(0),
    }
}

#[cfg(not(unix))]
pub(super) fn started(_: u32) -> Option<u64> {
    Some(0)
}

#[cfg(target_os = "linux")]
fn here() -> (String, String) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    (hash(&read("/etc/machine-id")), hash(&format!("{}{namespace:?}", read("/proc/sys/kernel/random/boot_id"))))
}

#[cfg(not(target_os = "linux"))]
fn here() -> (String, String) {
    let ask = |name: &str| {
        let output = std::process::Command::new("/usr/sbin/sysctl").args(["-n", name]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    (hash(&ask("kern.uuid")), hash(&ask("kern.bootsessionuuid")))
}

/// Identifiers of a machine are meant to stay on it, and a label may be seen elsewhere. Empty stays empty: unknown.
fn hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    if text.is_empty() {
        return String::new();
    }
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(machine: &str, place: &str, pid: u32, started: u64) -> Instance {
        Instance { machine: machine.into(), place: place.into(), pid, started }
    }

    #[test]
    fn a_label_is_read_back() {
        let me = Instance::current();
        assert_eq!(me.to_string().parse(), Ok(me));
        for text in ["", "1 a b c d", "2 a b 1 1", "1 a b 1", "1 a b -1 1"] {
            assert_eq!(text.parse::<Instance>(), Err(()), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_has_ended_is_gone_though_nobody_has_asked_for_it() {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let mut child = std::process::Command::new("true").spawn().expect("started");
        let id = Id::Pid(nix::unistd::Pid::from_raw(child.id() as i32));
        waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("ended");
        assert!(std::path::Path::new(&format!("/proc/{}/stat", child.id())).exists());
        assert_eq!(started(child.id()), None);
        child.wait().expect("asked for");
    }

    #[test]
    fn this_process_is_alive() {
        let me = Instance::current();
        assert_eq!(me.judge(&me, started), Owner::Alive);
    }

    #[test]
    fn only_a_dead_process_of_this_boot_is_certainly_dead() {
        let me = instance("m", "boot", 1, 10);
        assert_eq!(me.judge(&instance("m", "boot", 2, 20), |_| None), Owner::Dead);
        assert_eq!(me.judge(&instance("m", "boot", 2, 20), |_| Some(20)), Owner::Alive);
        assert_eq!(me.judge(&instance("m", "boot", 2, 20), |_| Some(21)), Owner::Dead, "the pid was given anew");
        assert_eq!(me.judge(&instance("m", "boot", 2, 0), |_| Some(21)), Owner::Alive, "it may be the same");
        assert_eq!(me.judge(&instance("m", "before", 2, 20), |_| None), Owner::Elsewhere);
        assert_eq!(me.judge(&instance("far", "boot", 2, 20), |_| None), Owner::Alive);
        assert_eq!(instance("", "", 1, 1).judge(&instance("", "", 2, 2), |_| None), Owner::Alive, "machines unknown");
    }
}
