//! What this kernel and this user allow, as plain data: read once, explained to a person when something is refused.
//!
//! Reads `/proc` only, changes nothing, and never fails: what cannot be read is unknown. Used by `plan` and by `doctor`.

mod explain;
mod mechanism;

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use nix::sys::resource::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

use super::nursery::Kernel;

pub use explain::explain;
pub(super) use mechanism::checks;
pub use mechanism::{Mechanism, mechanisms, weaknesses};

/// Facts about the kernel and the user of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub euid: u32,
    pub egid: u32,
    /// Major and minor number; zero where unknown.
    pub kernel: (u32, u32),
    /// Whether the kernel was built with user namespaces.
    pub user_namespaces: bool,
    /// Whether it has time namespaces (5.6).
    pub time_namespaces: bool,
    /// `user.max_user_namespaces`, if there is such a setting.
    pub most_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone` of Debian's kernels.
    pub unprivileged_user_namespaces: Option<bool>,
    /// `kernel.apparmor_restrict_unprivileged_userns` of Ubuntu's kernels: namespaces are made, and then worth nothing.
    pub apparmor_restricts: bool,
    /// The profile of a security module that this process runs under, if it has a name.
    pub profile: Option<String>,
    /// Whether a filter of system calls is upon this process already, as in a container.
    pub filtered: bool,
    /// Whether the kernel has filters of system calls.
    pub seccomp: bool,
    /// Landlock's version, as far as it makes a difference here (up to 6); 0 for none.
    pub landlock: u8,
    /// Whether parts of `/proc` are covered, as in a container: then no other `/proc` may be mounted.
    pub masked_proc: bool,
    /// Whether the kernel lists the children of a process, so that all of a sandbox can be found from its first.
    pub lists_children: bool,
    /// Ids that exist for this process: `/proc/self/uid_map`.
    pub uids: Vec<RangeInclusive<u32>>,
    /// Whether memory can be written out.
    pub swap: bool,
    /// Processors that this process may run on.
    pub cpus: u32,
    /// The number of the last capability; `None` where the kernel does not say.
    pub last_capability: Option<u32>,
    /// Hard limits of this process, which what it starts cannot raise: processes, signals that are queued, open files.
    pub most: [u64; 3],
}

impl Host {
    /// Looks. Takes about a millisecond.
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let field = |key| field(&status, key).unwrap_or_default();
        Self {
            euid: nix::unistd::geteuid().as_raw(),
            egid: nix::unistd::getegid().as_raw(),
            kernel: kernel(&read("/proc/sys/kernel/osrelease")),
            user_namespaces: exists("/proc/self/ns/user"),
            time_namespaces: exists("/proc/self/ns/time"),
            most_user_namespaces: read("/proc/sys/user/max_user_namespaces").trim().parse().ok(),
            unprivileged_user_namespaces: flag(&read("/proc/sys/kernel/unprivileged_userns_clone")),
            apparmor_restricts: flag(&read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")) == Some(true),
            profile: profile(&read("/proc/self/attr/current")),
            filtered: field("Seccomp:") == "2",
            seccomp: exists("/proc/sys/kernel/seccomp/actions_avail"),
            landlock: landlock(),
            masked_proc: masked(&read("/proc/self/mountinfo")),
            lists_children: exists("/proc/thread-self/children"),
            uids: ids(&read("/proc/self/uid_map")),
            swap: read("/proc/swaps").lines().count() > 1,
            cpus: listed(field("Cpus_allowed_list:")),
            last_capability: read("/proc/sys/kernel/cap_last_cap").trim().parse().ok(),
            most: [Resource::RLIMIT_NPROC, Resource::RLIMIT_SIGPENDING, Resource::RLIMIT_NOFILE].map(most),
        }
    }

    /// A uid that nobody has, for root to become before it makes a sandbox's namespace: one of 65536 that no distribution and
    /// no container tool gives out, else `nobody`. `slot` tells sandboxes apart. `None` where neither exists.
    pub fn unused_uid(&self, slot: u32) -> Option<u32> {
        const FIRST: u32 = 0x7000_0000;
        const COUNT: u32 = 0x1_0000;
        const NOBODY: u32 = 65_534;
        [FIRST + slot % COUNT, NOBODY].into_iter().find(|id| self.uids.iter().any(|range| range.contains(id)))
    }

    /// Why sandboxes cannot be forked here, as far as it is known without a try.
    pub(super) fn cannot_fork(&self) -> Option<&'static str> {
        match self.last_capability {
            // Before 5.14 all processes of a user counted together, in whatever namespace: one sandbox would starve the others.
            _ if self.kernel < (5, 14) => Some("it needs Linux 5.14"),
            None => Some("the kernel does not say which capabilities it has (/proc/sys/kernel/cap_last_cap)"),
            Some(_) => None,
        }
    }

    pub(super) fn for_children(&self) -> Kernel {
        Kernel {
            landlock: self.landlock,
            // Not used where it is unknown: `cannot_fork`.
            last_capability: self.last_capability.unwrap_or_default(),
            most_processes: self.most[0],
            most_signals: self.most[1],
            most_open_files: self.most[2],
        }
    }

    fn root(&self) -> bool {
        self.euid == 0
    }
}

/// The hard limit of this process; none where it cannot be asked.
fn most(resource: Resource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard)
}

/// A link is not followed: a namespace's leads out of every file system, where security modules let nobody go.
fn exists(path: impl AsRef<Path>) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// `6.1.0-18-amd64`.
fn kernel(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|text| text.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn flag(text: &str) -> Option<bool> {
    text.trim().parse::<u32>().ok().map(|number| number != 0)
}

/// `docker-default (enforce)`; a process without a profile is `unconfined`.
fn profile(text: &str) -> Option<String> {
    let name = text.trim_matches(['\0', '\n', ' ']);
    (!name.is_empty() && !name.starts_with("unconfined")).then(|| name.to_owned())
}

fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

/// Something is mounted on a part of `/proc` (other than the usual file system of binary formats).
fn masked(mountinfo: &str) -> bool {
    mountinfo.lines().any(|line| {
        let point = line.split(' ').nth(4).unwrap_or_default();
        point.starts_with("/proc/") && point != "/proc/sys/fs/binfmt_misc"
    })
}

/// Lines of `inside outside count`.
fn ids(map: &str) -> Vec<RangeInclusive<u32>> {
    let range = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [first, _, count] if count > 0 => Some(first..=first.saturating_add(count - 1)),
            _ => None,
        }
    };
    map.lines().filter_map(range).collect()
}

/// How many numbers a list such as `0-3,8` has; one where it cannot be read.
fn listed(list: &str) -> u32 {
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').filter_map(count).fold(0, u32::saturating_add).max(1)
}

/// The highest version whose rights the kernel knows; nothing is restricted by asking.
fn landlock() -> u8 {
    let rules = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = |abi| rules().handle_access(AccessFs::from_all(abi)).is_ok();
    let known = [
        (6, rules().scope(Scope::from_all(ABI::V6)).is_ok()),
        (5, files(ABI::V5)),
        (4, rules().handle_access(AccessNet::from_all(ABI::V4)).is_ok()),
        (3, files(ABI::V3)),
        (2, files(ABI::V2)),
        (1, files(ABI::V1)),
    ];
    known.into_iter().find(|(_, has)| *has).map_or(0, |(version, _)| version)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ordinary user of an up-to-date machine.
    pub(in crate::sandbox::embedded) fn ordinary() -> Host {
        Host {
            euid: 1000,
            egid: 1000,
            kernel: (6, 12),
            user_namespaces: true,
            time_namespaces: true,
            most_user_namespaces: Some(60_000),
            unprivileged_user_namespaces: None,
            apparmor_restricts: false,
            profile: None,
            filtered: false,
            seccomp: true,
            landlock: 6,
            masked_proc: false,
            lists_children: true,
            uids: ids("0 0 4294967295"),
            swap: true,
            cpus: 2,
            last_capability: Some(40),
            most: [u64::MAX; 3],
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("user");
        assert!(!exists(&link));
        std::os::unix::fs::symlink("user:[4026531837]", &link).expect("a link");
        assert!(exists(&link));
    }

    #[test]
    fn this_host_is_seen() {
        let host = Host::look();
        assert!(host.kernel > (3, 0), "{host:?}");
        assert!(host.cpus >= 1 && !host.uids.is_empty(), "{host:?}");
        assert_eq!(host.euid, nix::unistd::geteuid().as_raw());
        let text = serde_json::to_string(&host).expect("plain data");
        assert_eq!(serde_json::from_str::<Host>(&text).expect("the same"), host);
    }

    #[test]
    fn texts_of_the_kernel() {
        assert_eq!(kernel("6.1.0-18-amd64\n"), (6, 1));
        assert_eq!(kernel("5.15-rc1"), (5, 15));
        assert_eq!(kernel("nonsense"), (0, 0));
        assert_eq!(listed("0-3,8"), 5);
        assert_eq!(listed("0"), 1);
        assert_eq!(listed("3-1,x"), 1);
        assert_eq!(ids("         0          0 4294967295\n"), [0..=4_294_967_294]);
        assert_eq!(ids("0 100000 65536\n1 2\nnonsense\n5 5 0\n"), [0..=65_535]);
        assert_eq!(profile("unconfined\n"), None);
        assert_eq!(profile(""), None);
        assert_eq!(profile("docker-default (enforce)\n"), Some("docker-default (enforce)".into()));
        assert_eq!((flag("1\n"), flag("0\n"), flag("")), (Some(true), Some(false), None));
        assert!(masked("9 8 0:5 / /proc/kcore rw - tmpfs tmpfs rw\n"));
        assert!(!masked("9 8 0:5 / /proc rw - proc proc rw\n9 8 0:5 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n"));
    }

    #[test]
    fn an_unused_uid_is_one_that_exists() {
        let host = ordinary();
        assert_eq!(host.unused_uid(5), Some(0x7000_0005));
        assert_ne!(host.unused_uid(1), host.unused_uid(2));
        let container = Host { uids: ids("0 100000 65536"), ..ordinary() };
        assert_eq!(container.unused_uid(5), Some(65_534));
        assert_eq!(Host { uids: ids("0 1000 1"), ..ordinary() }.unused_uid(5), None);
    }
}
