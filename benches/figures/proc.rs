//! What the kernel says of processes (`/proc`). What cannot be read counts as nothing: processes come and go.

use std::collections::HashMap;
use std::fs;

fn status(pid: u32, name: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Megabytes of a process in memory.
pub fn resident(pid: u32) -> Option<f64> {
    Some(status(pid, "VmRSS:")? / 1000.0)
}

pub fn threads(pid: u32) -> f64 {
    status(pid, "Threads:").unwrap_or(0.0)
}

pub fn descriptors(pid: u32) -> f64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as f64
}

/// A process and all that came from it, sandboxes of the embedded kind included.
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = status(pid, "PPid:") {
            children.entry(parent as u32).or_default().push(pid);
        }
    }
    let mut all = vec![root];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        all.extend(children.get(pid).cloned().unwrap_or_default());
        at += 1;
    }
    all
}

/// Megabytes of these processes together, where what they share counts once.
pub fn together(pids: &[u32]) -> f64 {
    let one = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    pids.iter().filter_map(one).sum::<f64>() / 1000.0
}

/// Seconds of processor time that these processes have used, all their threads, to a nanosecond.
pub fn processor(pids: &[u32]) -> f64 {
    let threads = pids.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
    let one = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    threads.filter_map(|entry| one(entry.path())).sum::<f64>() / 1e9
}

/// Mounts that this process sees.
pub fn mounts() -> f64 {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().count() as f64
}

/// Control groups of the machine, of all hierarchies.
pub fn groups() -> f64 {
    fn below(folder: &std::path::Path) -> usize {
        let folders = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| 1 + below(&entry.path())).sum()
    }
    below("/sys/fs/cgroup".as_ref()) as f64
}
