//! What keeps each promise on this host, and what does not. Pure; `doctor` and SECURITY.md say it to a person.

use super::Host;
use crate::sandbox::embedded::cgroup::{Cgroups, Version};
use crate::sandbox::{Check, Level, Limits, NEGOTIABLE, Promise, Weakness};

/// One promise: by what it holds, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mechanism {
    pub promise: Promise,
    pub holds: Result<String, String>,
}

/// One line for every promise, in their order.
pub fn mechanisms(host: &Host, cgroups: &Cgroups, limits: &Limits) -> Vec<Mechanism> {
    let refusal = host.refusal().map(|error| error.to_string());
    let line = |promise| {
        // Where no sandbox can start at all, nothing else matters.
        let holds = match &refusal {
            Some(refusal) => Err(refusal.clone()),
            None => holds(promise, host, cgroups, limits),
        };
        Mechanism { promise, holds }
    };
    Promise::ALL.into_iter().map(line).collect()
}

/// The promises that do not hold and may be given up by name.
pub fn weaknesses(mechanisms: &[Mechanism]) -> Vec<Weakness> {
    let weakness = |mechanism: &Mechanism| {
        let warning = mechanism.holds.as_ref().err()?.clone();
        let what = NEGOTIABLE.into_iter().find(|name| *name == mechanism.promise.name())?;
        Some(Weakness { what, warning })
    };
    mechanisms.iter().filter_map(weakness).collect()
}

/// The same for a person, with what to do where one does not hold.
pub(in crate::sandbox::embedded) fn checks(mechanisms: &[Mechanism], allowed: &[String]) -> Vec<Check> {
    let check = |Mechanism { promise, holds }: &Mechanism| {
        let promise = promise.name();
        let name = format!("how: {promise}");
        match holds {
            Ok(by) => Check::new(&name, Level::Ok, by.as_str(), ""),
            Err(why) if NEGOTIABLE.contains(&promise) => {
                let hint = format!("use a host that can, or accept it: MCP_BRIDGE_ALLOW_DEGRADED={promise}");
                Check::new(&name, Level::Fail, why.as_str(), hint).excused(promise, allowed)
            }
            Err(why) => Check::new(&name, Level::Fail, why.as_str(), "use Podman or Docker, or another host"),
        }
    };
    mechanisms.iter().map(check).collect()
}

fn holds(promise: Promise, host: &Host, cgroups: &Cgroups, limits: &Limits) -> Result<String, String> {
    let by = |text: &str| Ok(text.to_owned());
    match promise {
        Promise::CleanEnvironment => {
            by("a fresh process that is given its environment and three pipes, and closes the rest")
        }
        Promise::NoNetwork => {
            by("its own network namespace, where not even loopback is up; the filter of system calls")
        }
        Promise::ReadOnlyRoot => Ok(match host.landlock {
            0 => "a root of its own in a mount namespace, read-only".into(),
            version => {
                format!("a root of its own in a mount namespace, read-only; landlock (version {version}) beneath")
            }
        }),
        Promise::BoundedDisk => by("tmpfs of bounded size, in a mount namespace that ends with the run"),
        Promise::OtherUser if host.root() => match host.unused_uid(0) {
            Some(65_534) => by("uid 65534 of the host, in a user namespace of its own"),
            Some(_) => by("a uid of the host that nobody else has, in a user namespace of its own"),
            None => Err("root has no other uid here to become (/proc/self/uid_map)".into()),
        },
        Promise::OtherUser => by("a user namespace in which uid 65534 is all there is"),
        Promise::NoCapabilities => by("empty capability sets, the bounding set included"),
        Promise::NoNewPrivileges => by("the kernel's no_new_privs; mounts without set-uid"),
        Promise::Seccomp => by("a list of allowed system calls"),
        Promise::Memory => memory(host, cgroups),
        Promise::Swap => swap(host, cgroups),
        Promise::Pids => pids(host, cgroups),
        Promise::Cpus => cpus(host, cgroups, limits),
        Promise::OpenFiles => by("RLIMIT_NOFILE"),
        Promise::ChildrenEnd => by("its own PID namespace, which the kernel ends with its first process"),
        Promise::NothingLeft => {
            by("namespaces that end with their last process; the keeper, and the next start, remove control groups")
        }
    }
}

/// `a control group (version 2, memory.max)`.
fn group(version: Version, files: [&str; 2]) -> String {
    match version {
        Version::V1 => format!("a control group (version 1, {})", files[0]),
        Version::V2 => format!("a control group (version 2, {})", files[1]),
    }
}

fn memory(host: &Host, cgroups: &Cgroups) -> Result<String, String> {
    match &cgroups.memory {
        Ok(place) => Ok(group(place.version, ["memory.limit_in_bytes", "memory.max"])),
        Err(_) if host.lists_children => Ok(
            "RLIMIT_DATA for each process; for all together a look every 20 ms, which ends the sandbox above the limit"
                .into(),
        ),
        Err(reason) => {
            Err(format!("no control group ({reason}), and the kernel does not list children (CONFIG_PROC_CHILDREN)"))
        }
    }
}

fn swap(host: &Host, cgroups: &Cgroups) -> Result<String, String> {
    match (&cgroups.swap, &cgroups.memory) {
        (Ok(place), _) => Ok(group(place.version, ["memory.memsw.limit_in_bytes", "memory.swap.max"])),
        _ if !host.swap => Ok("the machine has no swap".into()),
        (_, Err(_)) if host.lists_children => Ok("the look at memory every 20 ms counts what was swapped out".into()),
        (Err(reason), _) => Err(format!("the machine has swap that a sandbox may fill beside its memory: {reason}")),
    }
}

fn pids(host: &Host, cgroups: &Cgroups) -> Result<String, String> {
    match &cgroups.pids {
        Ok(place) => Ok(group(place.version, ["pids.max", "pids.max"])),
        // Before 5.14 all processes of a uid counted together, in whatever namespace.
        Err(_) if host.kernel >= (5, 14) => {
            Ok("RLIMIT_NPROC, which counts within the sandbox's own user namespace".into())
        }
        Err(reason) => Err(format!("no control group ({reason}), and RLIMIT_NPROC needs Linux 5.14")),
    }
}

fn cpus(host: &Host, cgroups: &Cgroups, limits: &Limits) -> Result<String, String> {
    match &cgroups.cpu {
        Ok(place) => Ok(group(place.version, ["cpu.cfs_quota_us", "cpu.max"])),
        Err(_) if limits.cpus >= f64::from(host.cpus) => Ok(format!("the machine: {} processors", host.cpus)),
        Err(_) if limits.cpus >= 1.0 && limits.cpus.fract() == 0.0 => {
            Ok("the processors it may run on, which the filter keeps it from changing".into())
        }
        Err(reason) => Err(format!(
            "no control group ({reason}), and without one only whole processors can be given: set MCP_BRIDGE_CPUS to {}",
            limits.cpus.ceil().max(1.0)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ordinary;
    use super::*;
    use crate::sandbox::embedded::cgroup::Place;

    fn limits(cpus: f64) -> Limits {
        Limits { memory: 1, pids: 1, cpus, user: String::new(), tmp: 1, workspace: 1, open_files: 1 }
    }

    fn all(version: Version) -> Cgroups {
        let place = || Ok(Place { version, parent: "/c".into() });
        Cgroups { memory: place(), swap: place(), pids: place(), cpu: place() }
    }

    fn one(promise: Promise, host: &Host, cgroups: &Cgroups, cpus: f64) -> Result<String, String> {
        let lines = mechanisms(host, cgroups, &limits(cpus));
        assert_eq!(lines.iter().map(|line| line.promise).collect::<Vec<_>>(), Promise::ALL);
        lines.into_iter().find(|line| line.promise == promise).expect("every promise").holds
    }

    fn weak(host: &Host, cgroups: &Cgroups, cpus: f64) -> Vec<&'static str> {
        weaknesses(&mechanisms(host, cgroups, &limits(cpus))).into_iter().map(|weakness| weakness.what).collect()
    }

    #[test]
    fn with_groups_everything_holds() {
        for version in [Version::V1, Version::V2] {
            let lines = mechanisms(&Host { euid: 0, kernel: (5, 12), ..ordinary() }, &all(version), &limits(0.5));
            assert!(lines.iter().all(|line| line.holds.is_ok()), "{lines:#?}");
        }
        let holds = one(Promise::Memory, &ordinary(), &all(Version::V2), 1.0);
        assert_eq!(holds, Ok("a control group (version 2, memory.max)".into()));
    }

    #[test]
    fn without_groups_the_common_case_holds_too() {
        let none = Cgroups::none("not ours");
        assert_eq!(weak(&ordinary(), &none, 1.0), <[&str; 0]>::default());
        assert_eq!(weak(&ordinary(), &none, 2.5), <[&str; 0]>::default(), "there are only two");
        assert_eq!(weak(&ordinary(), &none, 1.5), ["cpus"]);
        assert!(one(Promise::Cpus, &ordinary(), &none, 0.5).expect_err("a half").ends_with("MCP_BRIDGE_CPUS to 1"));
        assert_eq!(weak(&Host { kernel: (5, 13), ..ordinary() }, &none, 1.0), ["pids"]);
        let unseen = Host { lists_children: false, ..ordinary() };
        assert_eq!(weak(&unseen, &none, 1.0), ["memory", "swap"]);
        assert_eq!(weak(&Host { swap: false, ..unseen }, &none, 1.0), ["memory"]);
    }

    #[test]
    fn swap_that_a_memory_group_does_not_count_is_a_weakness() {
        let uncounted = Cgroups { swap: Err("swapaccount=0".into()), ..all(Version::V1) };
        assert_eq!(weak(&ordinary(), &uncounted, 1.0), ["swap"]);
        assert_eq!(weak(&Host { swap: false, ..ordinary() }, &uncounted, 1.0), <[&str; 0]>::default());
    }

    #[test]
    fn only_what_can_be_accepted_is_offered() {
        let said = |host: &Host, allowed: &[String]| -> Vec<_> {
            let checks = checks(&mechanisms(host, &Cgroups::none("not ours"), &limits(1.5)), allowed);
            checks.into_iter().filter(|check| check.level != Level::Ok).map(|c| (c.name, c.level, c.hint)).collect()
        };
        let one = |name: &str, level, hint: &str| vec![(format!("how: {name}"), level, hint.to_owned())];
        let offered = "use a host that can, or accept it: MCP_BRIDGE_ALLOW_DEGRADED=cpus";
        assert_eq!(said(&ordinary(), &[]), one("cpus", Level::Fail, offered));
        let accepted = "accepted by MCP_BRIDGE_ALLOW_DEGRADED=cpus";
        assert_eq!(said(&ordinary(), &["cpus".into()]), one("cpus", Level::Warn, accepted));
        let alone = Host { euid: 0, uids: Vec::new(), ..ordinary() };
        let refused = "use Podman or Docker, or another host";
        assert_eq!(said(&alone, &["cpus".into(), "user".into()])[0], one("user", Level::Fail, refused)[0]);
    }

    #[test]
    fn a_host_that_refuses_keeps_no_promise() {
        let off = Host { most_user_namespaces: Some(0), ..ordinary() };
        let lines = mechanisms(&off, &all(Version::V2), &limits(1.0));
        assert!(lines.iter().all(|line| line.holds.as_ref().is_err_and(|why| why.contains("max_user_namespaces"))));
        let alone = Host { euid: 0, uids: Vec::new(), ..ordinary() };
        assert!(one(Promise::OtherUser, &alone, &all(Version::V2), 1.0).is_err());
    }
}
