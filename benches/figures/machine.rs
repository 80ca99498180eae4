//! What the figures were taken on.

use std::fmt::Write;

use super::engine::Engine;

/// The three load averages; empty where the system has no such file.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// A list of facts, with nothing that names the machine or its user.
pub fn facts(load_before: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut text = String::new();
    let _ = writeln!(text, "- {cores} cores of {cpu}, {memory} of memory");
    let _ = writeln!(text, "- {} {}", std::env::consts::OS, kernel.trim());
    for engine in Engine::all() {
        let _ = writeln!(text, "- {}: {}", engine.name, engine.version());
    }
    let _ = writeln!(text, "- load averages before: {load_before}; after: {}", load());
    text
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
