//! The names of groups carry their owner, so that a later bridge can remove what a dead one left.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::{Cgroups, effect};
use crate::sandbox::instance::{self, Instance, Owner};

/// How the name of every group of a sandbox begins.
const PREFIX: &str = "mcp-bridge.";
/// Most characters of a run's id in a name: the kernel takes 255 for all, the owner has about 60.
const RUN_LENGTH: usize = 100;
/// Killing takes milliseconds; one that resists is left for the next sweep.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);
/// A group is entered within a second after it was made; an hour is beyond any doubt.
const CERTAINLY_OLD: Duration = Duration::from_secs(3600);

/// This bridge; asked once, since it never changes.
pub(super) static HERE: LazyLock<Instance> = LazyLock::new(|| of_this_kernel(&Instance::current()));

/// Groups are the kernel's own, so whoever sees one is on the same machine, also where that has no id (as in a container): only
/// the boot and the PID namespace matter.
fn of_this_kernel(instance: &Instance) -> Instance {
    let text = instance.to_string();
    let mut words: Vec<&str> = text.split(' ').collect();
    if let Some(machine) = words.get_mut(1) {
        *machine = "kernel";
    }
    words.join(" ").parse().unwrap_or_else(|()| instance.clone())
}

/// A name for the groups of one sandbox that no other sandbox of this machine has. `run` may be anything.
pub fn name(run: &str) -> String {
    named(&HERE, run)
}

/// Removes the groups of dead bridges, with whatever still runs in them. Returns how many sandboxes there were.
pub fn sweep(cgroups: &Cgroups) -> usize {
    sweep_from(&HERE, cgroups)
}

/// Owner, number within this process, run.
pub(super) fn named(owner: &Instance, run: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let run: String = run.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(RUN_LENGTH).collect();
    format!("{PREFIX}{}.{number}.{run}", owner.to_string().replace(' ', "_"))
}

/// Who made a group of this name; `None` for a group that is not a sandbox of ours.
fn owner(name: &str) -> Option<Instance> {
    let (owner, _) = name.strip_prefix(PREFIX)?.split_once('.')?;
    owner.replace('_', " ").parse().ok()
}

fn sweep_from(here: &Instance, cgroups: &Cgroups) -> usize {
    let mut removed = BTreeSet::new();
    for place in cgroups.places() {
        for entry in fs::read_dir(&place.parent).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Some(owner) = owner(&name) else { continue };
            let gone = match here.judge(&owner, instance::started) {
                Owner::Dead => effect::remove(&entry.path(), SWEEP_LIMIT).is_ok(),
                // No group outlives a boot, so it is another PID namespace's: whoever is inside may be alive.
                Owner::Elsewhere => old(&entry.path()) && fs::remove_dir(entry.path()).is_ok(),
                Owner::Alive => false,
            };
            if gone {
                removed.insert(name);
            }
        }
    }
    removed.len()
}

fn old(folder: &Path) -> bool {
    let made = fs::metadata(folder).and_then(|facts| facts.modified());
    made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age > CERTAINLY_OLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner_and_is_never_given_twice() {
        let me = Instance::current();
        let (first, second) = (named(&me, "run-1"), named(&me, "run-1"));
        assert_ne!(first, second);
        assert_eq!(owner(&first), Some(me.clone()));
        assert!(first.ends_with(".run-1"), "{first}");
        let hostile = named(&me, &format!("../../{}\n", "x".repeat(1000)));
        assert!(!hostile.contains(['/', '\n']) && hostile.len() <= 255, "{hostile}");
        assert_eq!(owner(&hostile), Some(me));
        // A machine without an id.
        let nameless: Instance = "1  boot 7 9".parse().expect("a label");
        let nameless = of_this_kernel(&nameless);
        assert_eq!(owner(&named(&nameless, "r")), Some(nameless.clone()));
        assert_eq!(nameless.judge(&nameless, |_| None), Owner::Dead, "it can be told");
        for other in ["docker", "mcp-bridge", "mcp-bridge.leaf", "mcp-bridge.1_a.2.r", "mcp-bridge.2_a_b_1_1.2.r"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
