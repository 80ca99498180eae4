//! The official conformance suite's scenarios for clients, with the bridge as the client. What it is expected to fail is in a file
//! beside the adapter, each with its reason; the suite fails as well when one of those passes.

#[path = "support/real.rs"]
mod real;

use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

/// All scenarios that a client of this revision must pass.
fn conforms(revision: &str) {
    let Some(folder) = real::folder() else { return };
    let client = format!("python3 {} {}", file("client.py").display(), env!("CARGO_BIN_EXE_mcp-bridge"));
    let results = tempfile::tempdir().expect("a folder");
    let mut suite = real::suite(&folder);
    suite
        .args(["client", "--command", &client, "--requirements", revision, "--timeout", "120000"])
        .arg("--expected-failures")
        .arg(file("expected.yml"))
        .current_dir(results.path());
    if let Err(said) = real::judged(&mut suite) {
        panic!("{said}");
    }
}

#[test]
fn the_revision_of_2025_11_25() {
    conforms("2025-11-25");
}

#[test]
fn the_revision_of_2026_07_28() {
    conforms("2026-07-28");
}
