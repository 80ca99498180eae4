//! The sum of memory over all processes of a sandbox, where no control group bounds it: the keeper looks every [`PERIOD`] and
//! ends a sandbox above its limit.
//!
//! First a cheap sum that is never too small; only where that exceeds the limit the exact one. Neither sees memory that belongs
//! to no process's pages: files of the tmpfs folders, which are asked for their size, and what the filter must refuse where this
//! watch stands in, because nothing else would bound it: `memfd_create`, `memfd_secret`, `shmget`, and `mmap` that is shared
//! and anonymous (`/dev/zero` is the same by another name).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

/// Between two looks. A processor fills some 40 MB meanwhile, and a single process has its own limit on data beneath.
pub const PERIOD: Duration = Duration::from_millis(20);

/// Most processes looked at. A sandbox has fewer (`pids`): only a limit on processes that failed leads beyond.
const MOST: usize = 65_536;

/// What one process holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Pages in memory; what is shared counts in whole in the cheap sum, in parts in the exact one.
    pub resident: u64,
    /// Pages written out.
    pub swapped: u64,
}

/// The sum; pure, and at the top where it would exceed 64 bits.
pub fn total(each: &[Usage]) -> u64 {
    each.iter().fold(0, |sum: u64, one| sum.saturating_add(one.resident).saturating_add(one.swapped))
}

/// The bytes that the sandbox of `init` holds if they are more than `limit`. Each look is complete in itself; a process that
/// vanishes meanwhile counts nothing. `swap` says whether the machine has any, which takes another file per process. What is
/// written into `folders` (as the sandbox sees them; each a tmpfs) is memory as well.
pub fn above(init: u32, limit: u64, swap: bool, folders: &[PathBuf]) -> Option<u64> {
    let tree = processes(init);
    let cheap: Vec<Usage> = tree.iter().filter_map(|pid| cheaply(*pid, swap)).collect();
    let inexact = SLACK.saturating_mul(cheap.len() as u64);
    let written = written(init, folders);
    if total(&cheap).saturating_add(inexact).saturating_add(written) <= limit {
        return None;
    }
    // Shared pages of processes are pages of such files: they are counted there.
    let own = if folders.is_empty() { 0 } else { tree.iter().map(|pid| shared(*pid)).sum() };
    let sum = exact(&tree).saturating_sub(own).saturating_add(written);
    (sum > limit).then_some(sum)
}

/// Bytes in use on the file systems at these places of the sandbox.
fn written(init: u32, folders: &[PathBuf]) -> u64 {
    let used = |folder: &PathBuf| {
        let inside = folder.strip_prefix("/").unwrap_or(folder);
        let found = statvfs(&Path::new(&format!("/proc/{init}/root")).join(inside)).ok()?;
        Some(found.blocks().saturating_sub(found.blocks_free()).saturating_mul(found.fragment_size()))
    };
    folders.iter().filter_map(used).fold(0, u64::saturating_add)
}

/// The process's part of pages that belong to files in memory.
fn shared(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    kilobytes(&rollup, "Pss_Shmem:").unwrap_or(0)
}

/// The bytes that the sandbox of `init` holds, exactly: what a report may say.
pub fn resident(init: u32) -> u64 {
    exact(&processes(init))
}

fn exact(tree: &[u32]) -> u64 {
    total(&tree.iter().filter_map(|pid| exactly(*pid)).collect::<Vec<_>>())
}

/// `init` and everything below it. An orphan becomes a child of PID 1 of its namespace, so the tree is whole.
fn processes(init: u32) -> Vec<u32> {
    let mut seen = BTreeSet::from([init]);
    let mut tree = vec![init];
    let mut next = 0;
    while let Some(pid) = tree.get(next).copied() {
        next += 1;
        // Each thread has children of its own.
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = text.split_whitespace().filter_map(|word| word.parse().ok());
            tree.extend(children.filter(|child| seen.len() < MOST && seen.insert(*child)));
        }
    }
    tree
}

/// From `statm`: some ten microseconds, at the kernel's own count of pages, which is a little behind ([`SLACK`]).
fn cheaply(pid: u32, swap: bool) -> Option<Usage> {
    let resident = statm(&fs::read_to_string(format!("/proc/{pid}/statm")).ok()?)?.0;
    let status = if swap { fs::read_to_string(format!("/proc/{pid}/status")).ok()? } else { String::new() };
    Some(Usage { resident: resident.saturating_mul(*PAGE), swapped: kilobytes(&status, "VmSwap:").unwrap_or(0) })
}

/// From `smaps_rollup`: some hundred microseconds for a small process, milliseconds for a large one.
fn exactly(pid: u32) -> Option<Usage> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    if let Some(resident) = kilobytes(&rollup, "Pss:") {
        return Some(Usage { resident, swapped: kilobytes(&rollup, "SwapPss:").unwrap_or(0) });
    }
    // Not to be read: its own pages without the shared ones.
    let (resident, shared) = statm(&fs::read_to_string(format!("/proc/{pid}/statm")).ok()?)?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own = resident.saturating_sub(shared).saturating_mul(*PAGE);
    Some(Usage { resident: own, swapped: kilobytes(&status, "VmSwap:").unwrap_or(0) })
}

/// `(resident, shared)` in pages (proc_pid_statm(5), fields 2 and 3).
fn statm(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_whitespace().skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Bytes, from a line such as `VmSwap:      12 kB`.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes of a page, as the kernel told this process at its start (entry 6, `AT_PAGESZ`); the largest there is where it cannot
/// be read, which counts too much rather than too little.
static PAGE: LazyLock<u64> = LazyLock::new(|| {
    const WORD: usize = size_of::<usize>();
    let words = fs::read("/proc/self/auxv").unwrap_or_default();
    let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).unwrap_or(0);
    let pairs = words.chunks_exact(2 * WORD).map(|pair| (word(&pair[..WORD]), word(&pair[WORD..])));
    pairs.into_iter().find(|(entry, _)| *entry == 6).map_or(65_536, |(_, size)| size as u64)
});

/// Bytes by which the kernel's count may be behind for one process: from 6.2 on each processor keeps up to 32 pages, or twice
/// the number of processors if that is more, to itself.
static SLACK: LazyLock<u64> = LazyLock::new(|| {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
    PAGE.saturating_mul(cpus).saturating_mul(32.max(2 * cpus))
});

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A tree of Pythons, once it says that it is there; it waits until its input ends.
    fn tree(program: &str) -> (Child, String) {
        let mut command = Command::new("python3");
        let mut child =
            command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
        (child, line.trim().to_owned())
    }

    fn end(mut child: Child) {
        drop(child.stdin.take());
        assert!(child.wait().expect("ended").success());
    }

    #[test]
    fn every_process_counts_those_of_threads_and_of_children_included() {
        let program = "
import os, sys, threading
told, tell = os.pipe()
def child(depth):
    if os.fork() == 0:
        mine = b'x' * (30 << 20)
        if depth: child(depth - 1)
        else: os.write(tell, b'.')
        os.read(0, 1)
        if depth: os.wait()
        os._exit(0)
child(1)
other = threading.Thread(target=lambda: (child(0), os.read(0, 1), os.wait()))
other.start()
os.read(told, 1), os.read(told, 1)
print('ready', flush=True)
os.read(0, 1)
other.join()
os.wait()";
        let (child, line) = tree(program);
        assert_eq!(line, "ready");
        let init = child.id();
        assert_eq!(processes(init).len(), 4, "itself, a child, a grandchild, a child of another thread");
        let sum = resident(init);
        assert!((90 * MIB..160 * MIB).contains(&sum), "{sum}");
        assert_eq!(above(init, 160 * MIB, true, &[]), None);
        assert!(above(init, 90 * MIB, false, &[]).is_some_and(|sum| sum > 90 * MIB));
        end(child);
    }

    #[test]
    fn what_is_shared_counts_once() {
        let program = "
import os
mine = b'x' * (60 << 20)
for _ in range(3):
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
print('ready', flush=True)
os.read(0, 1)
for _ in range(3): os.wait()";
        let (child, _) = tree(program);
        let init = child.id();
        let cheap = total(&processes(init).iter().filter_map(|pid| cheaply(*pid, true)).collect::<Vec<_>>());
        assert!(cheap > 240 * MIB, "{cheap}");
        let sum = resident(init);
        assert!((60 * MIB..110 * MIB).contains(&sum), "{sum}");
        assert_eq!(above(init, 128 * MIB, false, &[]), None, "the cheap sum alone would have ended it");
        end(child);
    }

    #[test]
    fn what_has_vanished_counts_nothing() {
        let (child, _) = tree("import os; print(flush=True); os.read(0, 1)");
        let gone = child.id();
        end(child);
        assert_eq!(resident(gone), 0);
        assert_eq!(above(gone, 0, true, &[]), None);
        assert_eq!(processes(gone), [gone]);
    }

    #[test]
    fn texts_of_the_kernel() {
        assert_eq!(statm("7154 2400 1536 1 0 1187 0\n"), Some((2400, 1536)));
        assert_eq!(statm(""), None);
        let rollup = "55d-7ff ---p 0 00:00 0 [rollup]\nRss:   9 kB\nPss:   7 kB\nPss_Anon: 3 kB\nSwapPss:  2 kB\n";
        assert_eq!(kilobytes(rollup, "Pss:"), Some(7 * 1024));
        assert_eq!(kilobytes(rollup, "SwapPss:"), Some(2 * 1024));
        assert_eq!(kilobytes(&format!("Pss: {} kB", u64::MAX), "Pss:"), None);
        let most = Usage { resident: u64::MAX, swapped: 1 };
        assert_eq!(total(&[most, most]), u64::MAX);
        assert_eq!(total(&[Usage { resident: 3, swapped: 4 }, Usage { resident: 5, swapped: 0 }]), 12);
        assert!(PAGE.is_power_of_two() && *PAGE >= 4096);
    }
}
