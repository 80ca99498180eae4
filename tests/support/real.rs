//! The real servers that `install_servers.sh` installs.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;

use mcp_bridge::upstream::config::{Secret, ServerConfig, Transport};
use serde_json::Value;

/// The folder with the servers: `MCP_BRIDGE_TEST_SERVERS`, else `.test/servers`. Missing, it fails the test in CI and skips
/// it aloud (`None`) elsewhere.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("MCP_BRIDGE_TEST_SERVERS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".test/servers"));
    if folder.join("servers.json").is_file() {
        return Some(folder);
    }
    let missing = format!("no servers in {0}: run tests/support/install_servers.sh {0}", folder.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

/// The official conformance suite, to be given its arguments. It leaves its results in the folder where it is started.
pub fn suite(folder: &Path) -> Command {
    let tools = folder.join("tools/node_modules");
    let mut node = Command::new(tools.join(".bin/node"));
    node.arg(tools.join("@modelcontextprotocol/conformance/dist/index.js"));
    node
}

/// Runs it.
///
/// # Errors
/// All it said, when it was not content.
pub fn judged(suite: &mut Command) -> Result<(), String> {
    let output = suite.output().expect("the suite runs");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// Their entries in `servers.json`.
pub fn configs(folder: &Path) -> Vec<ServerConfig> {
    let text = std::fs::read_to_string(folder.join("servers.json")).expect("servers.json");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let entry = |(name, entry): (&String, &Value)| ServerConfig {
        name: name.clone(),
        transport: Transport::Stdio {
            command: text(&entry["command"]),
            args: entry["args"].as_array().into_iter().flatten().map(text).collect(),
            env: entry["env"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), Secret::new(text(value))))
                .collect(),
            cwd: None,
        },
        call_timeout: None,
        description: None,
        era: Default::default(),
        expanded: Vec::new(),
        survival: Default::default(),
    };
    file["mcpServers"].as_object().expect("mcpServers").iter().map(entry).collect()
}
