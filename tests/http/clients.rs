//! Clients of others, unchanged.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::bridge::{Bridge, text};
use super::real;

fn support(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name)
}

/// Runs a client's script; what it saw.
#[track_caller]
fn seen(command: &mut Command) -> Value {
    let output = command.output().expect("the client runs");
    let said = text(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{said}\n{}", text(&output.stderr)))
}

#[track_caller]
fn works(seen: &Value) {
    assert_eq!((&seen["tools"], &seen["result"]), (&json!(["run_python"]), &json!(42)), "{seen}");
    assert!(seen["told"].as_array().is_some_and(|told| told.contains(&json!("begun\n"))), "{seen}");
}

#[test]
fn the_python_sdk_of_both_lines() {
    let Some(folder) = real::folder() else { return };
    let bridge = Bridge::start();
    let script = support("web_client.py");
    // Its WebSocket client cannot send a token, so that one comes before there is one.
    let ws = seen(Command::new(folder.join("older/bin/python")).arg(&script).args(["ws", &bridge.url(), ""]));
    works(&ws);
    let token = bridge.token("python");
    for kind in ["http", "sse"] {
        works(&seen(Command::new(folder.join("older/bin/python")).arg(&script).args([kind, &bridge.url(), &token])));
    }
    for (mode, version) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let seen = seen(Command::new(folder.join("venv/bin/python")).arg(&script).args([mode, &bridge.url(), &token]));
        works(&seen);
        assert_eq!(seen["version"], version);
    }
}

#[test]
fn fastmcp() {
    let Some(folder) = real::folder() else { return };
    let bridge = Bridge::start();
    let token = bridge.token("fastmcp");
    let mut client = Command::new(folder.join("clients/bin/python"));
    works(&seen(client.arg(support("web_client.py")).args(["fastmcp", &bridge.url(), &token])));
}

#[test]
fn the_typescript_sdk() {
    let Some(folder) = real::folder() else { return };
    let bridge = Bridge::start();
    let script = support("web_client.mjs");
    let node = folder.join("tools/node_modules/.bin/node");
    let run = |kind: &str, token: &str| {
        seen(Command::new(&node).arg(&script).arg(folder.join("npm")).args([kind, &bridge.url(), token]))
    };
    works(&run("ws", ""));
    let token = bridge.token("typescript");
    works(&run("http", &token));
    works(&run("sse", &token));
}
