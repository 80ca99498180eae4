//! The official conformance suite's scenarios that suit any server, with the bridge as the server.

use std::collections::BTreeSet;
use std::process::Command;

use super::bridge::{Bridge, text};
use super::real;

/// Checks that want tools with fixed names (`test_missing_capability`, `test_streaming_elicitation`, `test_logging_tool`), which no
/// server has but one made for the suite, and hints with a list of prompts, which this bridge does not have. One of these that passes
/// fails the test too.
const EXPECTED: [&str; 5] = [
    "sep-2549-prompts-list-caching-hints",
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-missing-capability-http-400",
    "sep-2575-server-no-log-without-loglevel",
    "sep-2575-server-rejects-undeclared-capability",
];

fn conforms(revision: &str, scenarios: &[&str], expected: &[&str]) {
    let Some(folder) = real::folder() else { return };
    let bridge = Bridge::start();
    let tools = folder.join("tools/node_modules");
    let mut failed = BTreeSet::new();
    for scenario in scenarios {
        let output = Command::new(tools.join(".bin/node"))
            .arg(tools.join("@modelcontextprotocol/conformance/dist/index.js"))
            .args(["server", "--url", &format!("{}/mcp", bridge.url()), "--scenario", scenario])
            .args(["--spec-version", revision])
            .current_dir(bridge.home.path())
            .output()
            .expect("the suite runs");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("Passed: "), "{scenario}: {said}");
        // `... [name of the check   ] FAILURE ...`, in colours.
        let failures = said.lines().filter(|line| line.contains("FAILURE"));
        let names: Vec<String> = failures
            .map(|line| line.split('[').filter_map(|part| part.split(']').next()).map(str::trim))
            .map(|mut parts| {
                parts.find(|part| part.contains('-') && !part.contains(':')).unwrap_or("unnamed").to_owned()
            })
            .collect();
        assert_eq!(output.status.success(), names.is_empty(), "{scenario}: {said}");
        failed.extend(names);
    }
    assert_eq!(failed, expected.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn the_revision_of_2025_11_25() {
    let scenarios = ["server-initialize", "ping", "tools-list", "dns-rebinding-protection", "server-session-lifecycle"];
    conforms("2025-11-25", &scenarios, &[]);
}

#[test]
fn the_revision_of_2026_07_28() {
    let scenarios = ["server-stateless", "tools-list", "caching", "http-header-validation", "dns-rebinding-protection"];
    conforms("2026-07-28", &scenarios, &EXPECTED);
}
