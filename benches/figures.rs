//! Every figure that the documents claim, beside what it is measured against, by one command: `cargo bench --bench figures`.
//!
//! Asserts nothing. Each figure and its reference are taken alternately in the same run, so that what else the machine
//! does falls on both; only ratios and differences carry over to another machine. Words after `--` choose groups
//! (`embedded`, `cold`, `calls`, `start`, `bytes`) and `quick` takes fewer samples; the whole set also writes `benches/results.md`.
//!
//! Engines are those that the tests use: `MCP_BRIDGE_TEST_DOCKER`, `MCP_BRIDGE_TEST_PODMAN` (endpoints), and for the
//! reference rows the programs `docker`, `podman` and `bwrap` (Debian: bubblewrap) on the PATH. The embedded sandbox is measured
//! as root and as an ordinary user when root asks, else as whoever does. What is missing is said and left out.

#[cfg(target_os = "linux")]
#[path = "figures/bare.rs"]
mod bare;
#[path = "figures/bridge.rs"]
mod bridge;
#[path = "figures/bytes.rs"]
mod bytes;
#[path = "figures/calls.rs"]
mod calls;
#[path = "figures/client.rs"]
mod client;
#[path = "figures/cold.rs"]
mod cold;
#[path = "figures/echo.rs"]
mod echo;
#[cfg(target_os = "linux")]
#[path = "figures/embedded.rs"]
mod embedded;
#[path = "figures/engine.rs"]
mod engine;
#[path = "figures/machine.rs"]
mod machine;
#[cfg(target_os = "linux")]
#[path = "figures/plain.rs"]
mod plain;
#[path = "figures/samples.rs"]
mod samples;
#[path = "figures/start.rs"]
mod start;
#[path = "figures/table.rs"]
mod table;
#[cfg(target_os = "linux")]
#[path = "figures/user.rs"]
mod user;

use table::Row;

/// How many samples: enough for a p95 on a busy machine, or few for a look.
#[derive(Clone, Copy)]
pub struct Effort {
    pub quick: bool,
}

impl Effort {
    pub fn of(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// Measures one group of rows.
type Group = fn(Effort) -> Vec<Row>;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == echo::COMMAND) {
        return echo::serve();
    }
    #[cfg(target_os = "linux")]
    if words.first().is_some_and(|word| word == bare::COMMAND) {
        return bare::serve();
    }
    let effort = Effort { quick: words.iter().any(|word| word == "quick") };
    let groups: &[(&str, Group)] = &[
        ("start", start::rows),
        ("calls", calls::rows),
        ("bytes", bytes::rows),
        ("cold", cold::rows),
        #[cfg(target_os = "linux")]
        ("embedded", embedded::rows),
    ];
    let chosen = |name: &str| words.iter().any(|word| word == name);
    let all = !groups.iter().any(|(name, _)| chosen(name));
    let before = machine::load();
    let mut rows = Vec::new();
    for (name, group) in groups {
        if all || chosen(name) {
            eprintln!("measuring: {name}");
            rows.extend(group(effort));
        }
    }
    let text = format!("{}\n{}", machine::facts(&before), table::markdown(&rows));
    println!("{text}");
    if all && !effort.quick {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results.md");
        let page = format!("# Figures\n\nWritten by `cargo bench --bench figures`.\n\n{text}");
        if let Err(error) = std::fs::write(file, page) {
            eprintln!("benches/results.md was not written: {error}");
        }
    }
}
