//! Every figure that the documents claim, beside what it is measured against, by one command.
//!
//! `cargo bench --bench figures` prints them; with `-- write` it also writes `benches/results.md`, a picture in `docs/` and the short
//! table of README. Names of groups after `--` choose (`prepared`, `calls`, `bytes`, `crowd`, `start`, `cold`, `embedded`,
//! `gateway`, `soak`),
//! `quick` takes few samples, `runs=N` and `engine-runs=N` say how many runs in a row `soak` makes.
//!
//! Asserts nothing of how fast or how large anything is: that is judged in the table. Each figure and its references are taken in turn
//! in the same run, so that what else the machine does falls on both; only ratios and differences carry over to another machine. No
//! wait is without an end.
//!
//! Engines are those that the tests use: `MCP_BRIDGE_TEST_DOCKER`, `MCP_BRIDGE_TEST_PODMAN` (endpoints); for the references the
//! programs `docker`, `podman` and `bwrap` (Debian: bubblewrap) on the PATH, and four packages from PyPI, which are put into
//! environments below the target folder. The embedded sandbox is measured as root and as an ordinary user when root asks, else as
//! whoever does. What is missing is said and left out.

#[cfg(target_os = "linux")]
#[path = "figures/mod.rs"]
mod figures;

fn main() {
    #[cfg(target_os = "linux")]
    figures::main();
    #[cfg(not(target_os = "linux"))]
    eprintln!("figures are taken on Linux");
}
