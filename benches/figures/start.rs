//! Start of the bridge and what it weighs while it waits.

use serde_json::{Map, json};

use super::Effort;
use super::bridge::Home;
use super::client::Client;
use super::echo;
use super::samples::Samples;
use super::table::{Bar, Row};

const SERVERS: [usize; 3] = [0, 10, 200];

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for count in SERVERS {
        let entry = |n: usize| (format!("server-{n}"), json!({"command": "true", "env": {"TOKEN": "x".repeat(40)}}));
        let home = Home::new((0..count).map(entry).collect::<Map<_, _>>());
        let (mut start, mut bare, mut memory) = (Samples::default(), Samples::default(), Samples::default());
        for round in 0..effort.of(40, 8) {
            let mut command = home.command(None, "none", &["serve"]);
            let mut client = start.time(|| Client::start(&mut command));
            drop(bare.time(|| Client::start(&mut echo::command())));
            // One list is what every client asks for before it waits.
            if round < 5 {
                client.request("tools/list", &json!({}));
                memory.extend(resident(client.pid()));
            }
        }
        rows.push(Row {
            name: format!("start to `initialize` answered, {count} servers"),
            unit: "ms",
            ours: start,
            reference: Some(("a bare server of 40 lines".into(), bare)),
            bar: Some(Bar::Most(15.0)),
        });
        rows.push(Row {
            name: format!("resident memory, idle, {count} servers"),
            unit: "MB",
            ours: memory,
            reference: None,
            bar: Some(Bar::Most(20.0)),
        });
    }
    rows
}

/// Megabytes of a process in memory (Linux).
pub fn resident(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1000.0)
}
