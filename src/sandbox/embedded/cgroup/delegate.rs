//! Version 2: making a folder able to hold limited groups. A folder that hands a controller down may hold no process itself, so
//! ours move into a leaf first; nobody else's are moved, ever.

use std::fs;
use std::path::{Path, PathBuf};

use super::effect::{self, write};

/// Where our own processes go when our group begins to hold others.
pub(super) const LEAF: &str = "mcp-bridge.leaf";
/// Our part of a folder that is not ours alone.
pub(super) const SHARE: &str = "mcp-bridge";
/// Looks at a group that is being emptied; more than one only if a process of ours starts another one meanwhile.
const ROUNDS: usize = 16;

/// Where a group of this process may hold others: its own folder, or the one above if a bridge moved into a leaf already.
pub(super) fn holder(own: &Path) -> PathBuf {
    match (own.file_name(), own.parent()) {
        (Some(name), Some(parent)) if name == LEAF => parent.to_owned(),
        _ => own.to_owned(),
    }
}

/// Makes `folder` hand `controller` down to groups in it. Says why not, and then nothing has changed.
pub(super) fn enable(folder: &Path, controller: &str) -> Result<(), String> {
    let words = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let has = |file: &str| words(file).split_whitespace().any(|word| word == controller);
    if has("cgroup.subtree_control") {
        return Ok(());
    }
    if !has("cgroup.controllers") {
        return Err(format!("{} has no controller `{controller}`", folder.display()));
    }
    // The root of a hierarchy has no type, and may hold both.
    if folder.join("cgroup.type").exists() {
        vacate(folder)?;
    }
    let on = write(&folder.join("cgroup.subtree_control"), &format!("+{controller}"));
    on.map_err(|fault| {
        if words("cgroup.subtree_control").trim().is_empty() {
            undo(folder);
        }
        fault.to_string()
    })
}

/// Moves our own processes out of `folder` into its leaf.
fn vacate(folder: &Path) -> Result<(), String> {
    let leaf = folder.join(LEAF);
    for _ in 0..ROUNDS {
        let text = fs::read_to_string(folder.join("cgroup.procs")).map_err(|error| error.to_string())?;
        let inside: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if inside.is_empty() {
            return Ok(());
        }
        if let Some(foreign) = inside.iter().find(|pid| !ours(**pid)) {
            undo(folder);
            return Err(format!("{} holds processes that are not the bridge's (PID {foreign})", folder.display()));
        }
        if let Err(error) = fs::create_dir(&leaf)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(effect::fault(format!("make {}", leaf.display()), &error).to_string());
        }
        for pid in inside {
            // One that ended meanwhile cannot be moved, and need not be.
            if let Err(fault) = write(&leaf.join("cgroup.procs"), &pid.to_string())
                && started(pid)
            {
                undo(folder);
                return Err(fault.to_string());
            }
        }
    }
    undo(folder);
    Err(format!("{} did not become empty", folder.display()))
}

/// Moves back what was moved; the leaf goes when it is empty.
fn undo(folder: &Path) {
    for pid in effect::members(&folder.join(LEAF)) {
        let _ = write(&folder.join("cgroup.procs"), &pid.to_string());
    }
    let _ = fs::remove_dir(folder.join(LEAF));
}

fn started(pid: u32) -> bool {
    crate::sandbox::instance::started(pid).is_some()
}

/// Is this the bridge or a descendant of it? The kernel shows a process of another PID namespace as 0: not ours.
fn ours(pid: u32) -> bool {
    let me = std::process::id();
    let mut at = pid;
    // Deeper than any tree of processes that a bridge starts.
    for _ in 0..64 {
        if at == me {
            return true;
        }
        match parent(at) {
            Some(above) if above > 1 => at = above,
            _ => return false,
        }
    }
    false
}

/// The second field after the name in parentheses (proc_pid_stat(5)).
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_stands_for_the_group_above() {
        assert_eq!(holder(Path::new("/c/unit/mcp-bridge.leaf")), Path::new("/c/unit"));
        assert_eq!(holder(Path::new("/c/unit")), Path::new("/c/unit"));
        assert_eq!(holder(Path::new("/")), Path::new("/"));
    }

    #[test]
    fn ours_are_this_process_and_what_it_started() {
        let mut child = super::super::idle().spawn().expect("a child");
        assert!(ours(std::process::id()) && ours(child.id()));
        assert!(!ours(0) && !ours(1), "neither another namespace's nor the first process");
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
}
