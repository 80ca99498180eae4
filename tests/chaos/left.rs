//! What a dead bridge must not leave: sandboxes, servers, mounts, sockets, files.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Engine, Events, Home, gone_within};

/// Waits until nothing is left, and fails when something still is after `bound`.
#[track_caller]
pub fn nothing_within(engine: &Engine, pid: u32, home: &Home, events: &Events, bound: Duration, story: &str) {
    let begun = Instant::now();
    loop {
        let left = [engine.sandboxes_of(pid), mounts(), files(pid, home)].concat();
        if left.is_empty() {
            break;
        }
        assert!(begun.elapsed() < bound, "{story}: left after {bound:?}: {left:#?}");
        std::thread::yield_now();
    }
    gone_within(&events.lock, bound.saturating_sub(begun.elapsed()));
}

/// Mounts of ours on the host: an embedded sandbox has its own namespace from its first step on.
fn mounts() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    table.lines().filter(|line| line.contains("mcp-bridge.")).map(str::to_owned).collect()
}

/// Sockets, locks and half-written files of that process: each has its number in its name.
fn files(pid: u32, home: &Home) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![home.path().join("state"), std::env::temp_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_of(&path, pid) {
                found.push(path.display().to_string());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) && path.starts_with(home.path().join("state")) {
                folders.push(path);
            }
        }
    }
    found
}

fn is_of(path: &Path, pid: u32) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let numbers = name.split(|c: char| !c.is_ascii_digit());
    (name.contains("mcp-bridge") || path.components().any(|part| part.as_os_str() == "state"))
        && numbers.into_iter().any(|number| number == pid.to_string())
}
