//! The official conformance suite's scenarios for clients, with the bridge as the client. What it is expected to fail is in a file
//! beside the adapter, each with its reason; the suite fails as well when one of those passes.

#[path = "support/real.rs"]
mod real;

use std::path::{Path, PathBuf};
use std::process::Command;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

/// All scenarios that a client of this revision must pass.
fn conforms(revision: &str) {
    let Some(folder) = real::folder() else { return };
    let tools = folder.join("tools/node_modules");
    let client = format!("python3 {} {}", file("client.py").display(), env!("CARGO_BIN_EXE_mcp-bridge"));
    let output = Command::new(tools.join(".bin/node"))
        .arg(tools.join("@modelcontextprotocol/conformance/dist/index.js"))
        .args(["client", "--command", &client, "--requirements", revision, "--timeout", "120000"])
        .arg("--expected-failures")
        .arg(file("expected.yml"))
        // The suite leaves its results where it is started.
        .current_dir(tempfile::tempdir().expect("a folder").path())
        .output()
        .expect("the suite runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_revision_of_2025_11_25() {
    conforms("2025-11-25");
}

#[test]
fn the_revision_of_2026_07_28() {
    conforms("2026-07-28");
}
