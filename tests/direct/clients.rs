//! Clients of others before the bridge, unchanged: the SDKs, and the official inspector, which judges.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::eras::{Era, with_wide};
use crate::pass::list;
use crate::real::with_real;
use crate::support::{Home, finish, repo, test_servers_folder};
use crate::ways::Listening;

/// A command with the environment of a bridge in this home, so that it can start one.
fn beside_a_bridge(mut command: Command, home: &Home) -> Command {
    let bridge = home.command(&[]);
    let env = bridge.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.env_clear().envs(env).current_dir(home.path());
    command
}

/// What a Python client made with what this folder has saw of the bridge.
fn seen(folder: &str, words: &[&str], home: &Home) -> Value {
    let mut command = Command::new(test_servers_folder().join(folder).join("bin/python"));
    command.arg(repo().join("tests/direct/sdk_client.py")).args(words);
    let done = finish(beside_a_bridge(command, home), "");
    assert_eq!(done.code, Some(0), "{folder} {words:?}\n{}\n{}", done.stdout, done.stderr);
    serde_json::from_str(&done.stdout).expect("JSON")
}

/// The official SDK, of both of its lines, and FastMCP's: over stdio and over HTTP, and in both eras where the client has both.
#[test]
fn pythons_clients_use_the_bridge_unchanged() {
    let Some(home) = with_real("both", &["everything"]) else { return };
    let home = with_wide(home, Era::Older, "wide");
    let listening = Listening::start(&home, &[]);
    let command = home.command(&[]).get_program().to_string_lossy().into_owned();
    let url = format!("http://127.0.0.1:{}/mcp", listening.port);
    // The folders of `install_servers.sh`, which names the versions.
    for (folder, kind, version, eras) in [
        ("older", "sdk", "1.30.0", &["2025-11-25"][..]),
        ("venv", "sdk", "2.3.0", &["2026-07-28", "2025-11-25"]),
        ("clients", "fastmcp", "4.1.2", &["2026-07-28", "2025-11-25"]),
    ] {
        for (bridge, era) in [&command, &url].into_iter().flat_map(|bridge| eras.iter().map(move |era| (bridge, era))) {
            let mode = if *era == "2026-07-28" { "auto" } else { "legacy" };
            let wanted = json!({"version": version, "protocol": era, "listed": [true, true, true], "echo": "Echo: hi", "name": "Ada",
                "progress": [1.0, 2.0, 3.0], "prompt": "This is a simple prompt without arguments.", "resource": "of wide"});
            assert_eq!(seen(folder, &[kind, bridge, mode], &home), wanted, "{folder} {bridge} {mode}");
        }
    }
}

/// What the inspector, which fails on what it cannot read, says of a bridge that is reached by these words.
fn inspected(home: &Home, way: &[&str], request: &[&str]) -> Value {
    let tools = test_servers_folder().join("tools/node_modules");
    let mut command = Command::new(tools.join("node/bin/node"));
    command.arg(tools.join(".bin/mcp-inspector")).arg("--cli").args(way).arg("--method").args(request);
    let done = finish(beside_a_bridge(command, home), "").exits(0);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{way:?} {request:?} {error}: {done:?}"))
}

/// Content with everything that a real server has.
fn inspector_is_content(home: &Home, way: &[&str]) {
    let ask = |request: &[&str]| inspected(home, way, request);
    // The only method for which it takes this.
    let tools = ask(&["tools/list", "--strict"]);
    assert!(list(&tools, "tools", "name").contains(&"everything__echo"), "{way:?} {tools}");
    let echo = ask(&["tools/call", "--tool-name", "everything__echo", "--tool-arg", "message=hi"]);
    assert_eq!(echo["content"][0]["text"], "Echo: hi", "{way:?} {echo}");
    let prompts = ask(&["prompts/list"]);
    assert!(list(&prompts, "prompts", "name").contains(&"everything__simple-prompt"), "{way:?} {prompts}");
    let prompt = ask(&["prompts/get", "--prompt-name", "everything__simple-prompt"]);
    let text = &prompt["messages"][0]["content"]["text"];
    assert_eq!(text, "This is a simple prompt without arguments.", "{way:?} {prompt}");
    let resources = ask(&["resources/list"]);
    let uris = list(&resources, "resources", "uri");
    let uri = uris.iter().find(|uri| uri.starts_with("demo://")).unwrap_or_else(|| panic!("{way:?} {resources}"));
    let read = ask(&["resources/read", "--uri", uri]);
    assert_eq!(read["contents"][0]["uri"], *uri, "{way:?} {read}");
}

#[test]
fn the_inspector_is_content_over_stdio() {
    let Some(home) = with_real("both", &["everything"]) else { return };
    let bridge = home.command(&[]);
    let env: BTreeMap<_, _> =
        bridge.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?))).collect();
    let entry = json!({"type": "stdio", "command": bridge.get_program().to_str(), "args": ["serve"], "env": env});
    let home = home.file("inspector.json", &json!({"mcpServers": {"bridge": entry}}).to_string());
    let file = home.path().join("inspector.json").display().to_string();
    for era in ["legacy", "modern"] {
        inspector_is_content(&home, &["--config", &file, "--server", "bridge", "--protocol-era", era]);
    }
}

#[test]
fn the_inspector_is_content_over_http() {
    let Some(home) = with_real("both", &["everything"]) else { return };
    let listening = Listening::start(&home, &[]);
    let at = |path: &str| format!("http://127.0.0.1:{}/{path}", listening.port);
    for era in ["legacy", "modern"] {
        inspector_is_content(&home, &[&at("mcp"), "--transport", "http", "--protocol-era", era]);
    }
    inspector_is_content(&home, &[&at("sse"), "--transport", "sse"]);
}
