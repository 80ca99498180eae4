//! What to make for one sandbox: plain data, computed from where groups can be made and from the limits. Pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Cgroups, Controller, Place, Version};
use crate::sandbox::Limits;

/// One group of one hierarchy, for one sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The folder to make; its parent is there already.
    pub folder: PathBuf,
    /// Written in this order, then read back.
    pub limits: Vec<Limit>,
    /// In version 2 processes can be born in a group.
    pub version: Version,
    /// Lists who is in it; to this file the sandbox's first process, which has one thread, writes `0` to enter.
    pub procs: PathBuf,
    pub counters: Vec<Counter>,
}

/// One file of a group: what is written, and what must be read afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub file: String,
    pub value: String,
    pub read: Read,
}

/// What a limit must say once it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// The value itself.
    Same,
    /// A number of bytes not above it: the kernel rounds down to whole pages.
    AtMost(u64),
}

/// One number that the kernel counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub file: String,
    /// First word of its line.
    pub key: String,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counts {
    OomKills,
    PidsDenied,
}

/// What a sandbox ran into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Processes the kernel killed because the group was out of memory.
    pub oom_kills: u64,
    /// Processes and threads that were not made because there were too many.
    pub pids_denied: u64,
}

impl std::iter::Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            oom_kills: sum.oom_kills.saturating_add(one.oom_kills),
            pids_denied: sum.pids_denied.saturating_add(one.pids_denied),
        })
    }
}

/// The groups of a sandbox called `name`, one for each hierarchy that has a part in it; none where none can be made.
pub fn groups(cgroups: &Cgroups, name: &str, limits: &Limits) -> Vec<Group> {
    let parts =
        [(Controller::Memory, &cgroups.memory), (Controller::Pids, &cgroups.pids), (Controller::Cpu, &cgroups.cpu)];
    let group = |place: &Place| {
        let of_this = parts.iter().filter(|(_, part)| part.as_ref().is_ok_and(|other| other == place));
        of_this.fold(empty(place, name), |mut group, (controller, _)| {
            group.limits.extend(written(*controller, place.version, cgroups.swap.is_ok(), limits));
            group.counters.extend(counter(*controller, place.version));
            group
        })
    };
    cgroups.places().into_iter().map(group).collect()
}

fn empty(place: &Place, name: &str) -> Group {
    let folder = place.parent.join(name);
    // A process enters with all its threads and holds up every fork of the machine for it, which takes the kernel 8 ms; a thread
    // that moves itself takes 0.2 ms (newer kernels). Only version 1 lets a thread go alone.
    let enter = match place.version {
        Version::V1 => "tasks",
        Version::V2 => "cgroup.procs",
    };
    Group { procs: folder.join(enter), folder, version: place.version, limits: Vec::new(), counters: Vec::new() }
}

fn written(controller: Controller, version: Version, swap: bool, limits: &Limits) -> Vec<Limit> {
    let same = |file: &str, value: String| Limit { file: file.into(), value, read: Read::Same };
    let bytes =
        |file: &str| Limit { file: file.into(), value: limits.memory.to_string(), read: Read::AtMost(limits.memory) };
    let (period, quota) = share(limits.cpus);
    match (controller, version) {
        (Controller::Memory, Version::V1) => {
            // Memory with swap may not be below memory alone, so it comes second.
            let both = swap.then(|| bytes("memory.memsw.limit_in_bytes"));
            [bytes("memory.limit_in_bytes")].into_iter().chain(both).collect()
        }
        (Controller::Memory, Version::V2) => {
            let none = swap.then(|| same("memory.swap.max", "0".into()));
            // One process dies, not all: the sandbox's first process lives on and tells what happened.
            let one = same("memory.oom.group", "0".into());
            [bytes("memory.max")].into_iter().chain(none).chain([one]).collect()
        }
        (Controller::Pids, _) => vec![same("pids.max", limits.pids.to_string())],
        (Controller::Cpu, Version::V1) => {
            vec![same("cpu.cfs_period_us", period.to_string()), same("cpu.cfs_quota_us", quota.to_string())]
        }
        (Controller::Cpu, Version::V2) => vec![same("cpu.max", format!("{quota} {period}"))],
    }
}

fn counter(controller: Controller, version: Version) -> Option<Counter> {
    let counter = |file: &str, key: &str, counts| Some(Counter { file: file.into(), key: key.into(), counts });
    match (controller, version) {
        (Controller::Memory, Version::V1) => counter("memory.oom_control", "oom_kill", Counts::OomKills),
        // `oom_group_kill` beside it counts the same deaths again.
        (Controller::Memory, Version::V2) => counter("memory.events", "oom_kill", Counts::OomKills),
        (Controller::Pids, _) => counter("pids.events", "max", Counts::PidsDenied),
        (Controller::Cpu, _) => None,
    }
}

/// `(period, quota)` in microseconds. The kernel's own period is 100 ms; its smallest quota is 1 ms, so less than a hundredth
/// of a processor takes its longest period, one second.
fn share(cpus: f64) -> (u64, u64) {
    const SMALLEST: u64 = 1_000;
    let quota = |period: u64| (cpus * period as f64).round() as u64;
    match quota(100_000) {
        usual if usual >= SMALLEST => (100_000, usual),
        _ => (1_000_000, quota(1_000_000).max(SMALLEST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            memory: 64 << 20,
            pids: 32,
            cpus: 1.5,
            user: "65534:65534".into(),
            tmp: 0,
            workspace: 0,
            open_files: 64,
        }
    }

    fn place(version: Version, parent: &str) -> Result<Place, String> {
        Ok(Place { version, parent: parent.into() })
    }

    fn written(group: &Group) -> Vec<String> {
        group.limits.iter().map(|limit| format!("{}={}", limit.file, limit.value)).collect()
    }

    #[test]
    fn version_2_is_one_group() {
        let all = || place(Version::V2, "/c");
        let made = groups(&Cgroups { memory: all(), swap: all(), pids: all(), cpu: all() }, "n", &limits());
        let [group] = &made[..] else { panic!("{made:?}") };
        let expected =
            ["memory.max=67108864", "memory.swap.max=0", "memory.oom.group=0", "pids.max=32", "cpu.max=150000 100000"];
        assert_eq!(written(group), expected);
        assert_eq!(group.limits[0].read, Read::AtMost(64 << 20));
        assert_eq!(group.procs, PathBuf::from("/c/n/cgroup.procs"));
        assert_eq!(group.version, Version::V2);
        let counted: Vec<_> = group.counters.iter().map(|c| (c.file.as_str(), c.key.as_str())).collect();
        assert_eq!(counted, [("memory.events", "oom_kill"), ("pids.events", "max")]);
        let text = serde_json::to_string(group).expect("plain data");
        assert_eq!(&serde_json::from_str::<Group>(&text).expect("the same"), group);
    }

    #[test]
    fn version_1_is_a_group_for_each_hierarchy() {
        let cgroups = Cgroups {
            memory: place(Version::V1, "/m/own"),
            swap: place(Version::V1, "/m/own"),
            pids: place(Version::V1, "/p"),
            cpu: place(Version::V1, "/u"),
        };
        assert_eq!(groups(&cgroups, "n", &limits())[0].procs, PathBuf::from("/m/own/n/tasks"));
        let made: Vec<_> = groups(&cgroups, "n", &limits()).iter().map(|g| (g.folder.clone(), written(g))).collect();
        let memory = vec!["memory.limit_in_bytes=67108864".into(), "memory.memsw.limit_in_bytes=67108864".into()];
        let cpu = vec!["cpu.cfs_period_us=100000".into(), "cpu.cfs_quota_us=150000".into()];
        assert_eq!(
            made,
            [("/m/own/n".into(), memory), ("/p/n".into(), vec!["pids.max=32".into()]), ("/u/n".into(), cpu)]
        );
    }

    #[test]
    fn what_cannot_be_had_is_left_out() {
        let cgroups = Cgroups { pids: place(Version::V2, "/c"), ..Cgroups::none("no") };
        let made = groups(&cgroups, "n", &limits());
        assert_eq!(made.iter().flat_map(written).collect::<Vec<_>>(), ["pids.max=32"]);
        let unswapped = Cgroups { memory: place(Version::V1, "/m"), ..Cgroups::none("no") };
        let made = groups(&unswapped, "n", &limits());
        assert_eq!(made.iter().flat_map(written).collect::<Vec<_>>(), ["memory.limit_in_bytes=67108864"]);
        assert_eq!(groups(&Cgroups::none("no"), "n", &limits()), []);
    }

    #[test]
    fn shares_of_a_processor() {
        assert_eq!(share(2.0), (100_000, 200_000));
        assert_eq!(share(0.01), (100_000, 1_000));
        assert_eq!(share(0.005), (1_000_000, 5_000));
        assert_eq!(share(f64::NAN), (1_000_000, 1_000), "nothing rather than everything");
    }
}
