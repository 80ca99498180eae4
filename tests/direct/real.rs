//! Real servers behind the bridge, real clients before it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::eras::{Era, Talker};
use crate::pass::list;
use crate::support::{Home, finish, repo, server_json, test_servers_folder};

fn with_real(mode: &str, names: &[&str]) -> Option<Home> {
    let home = Home::new().env("MCP_BRIDGE_EXPOSE", mode);
    names.iter().try_fold(home, |home, name| Some(home.server(name, &server_json(name)?)))
}

#[test]
fn the_reference_servers_pass_through() {
    let Some(home) = with_real("tools", &["everything", "time"]) else { return };
    let mut client = home.serve();
    let listed = client.request("tools/list", json!({}));
    let names = list(&listed, "tools", "name");
    assert!(names.contains(&"everything__echo") && names.contains(&"time__get_current_time"), "{names:?}");
    let echo = client.request("tools/call", json!({"name": "everything__echo", "arguments": {"message": "hi"}}));
    assert_eq!(echo["content"][0]["text"], "Echo: hi");
    let time = json!({"name": "time__get_current_time", "arguments": {"timezone": "Europe/Berlin"}});
    assert!(client.request("tools/call", time).to_string().contains("Europe/Berlin"));
    let prompts = client.request("prompts/list", json!({}));
    assert_eq!(prompts["prompts"].as_array().map(Vec::len), Some(4), "{prompts}");
    let resources = client.request("resources/list", json!({}));
    let uri = resources["resources"][0]["uri"].clone();
    let read = client.request("resources/read", json!({"uri": uri}));
    assert_eq!(read["contents"][0]["uri"], uri);
}

/// Of the older era, and a tool of which its maker says that it must be called as a task; it asks meanwhile.
#[test]
fn a_real_servers_task_is_waited_for() {
    let Some(home) = with_real("tools", &["everything"]) else { return };
    for era in Era::BOTH {
        let mut talker = Talker::able(era, &home, json!({"elicitation": {"form": {}}}));
        let mut asked = 0;
        let arguments = json!({"topic": "python", "ambiguous": true});
        let call = json!({"name": "everything__simulate-research-query", "arguments": arguments});
        let response = talker.call_answering(call, |method, params| {
            asked += 1;
            assert_eq!(method, "elicitation/create");
            assert!(params["message"].as_str().is_some_and(|text| text.contains("python")), "{params}");
            json!({"action": "accept", "content": {"interpretation": "comedy"}})
        });
        let report = response["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(report.starts_with("# Research Report: python (comedy)"), "{era:?} {response:#}");
        assert_eq!(asked, 1);
    }
}

/// What the inspector says, which must be content with all of it.
fn inspected(home: &Home, arguments: &[&str]) -> Value {
    let tools = test_servers_folder().join("tools/node_modules");
    let bridge = home.command(&["serve"]);
    let env: BTreeMap<_, _> =
        bridge.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?))).collect();
    let entry = json!({"type": "stdio", "command": bridge.get_program().to_str(), "args": ["serve"], "env": env});
    let file = home.path().join("inspector.json");
    std::fs::write(&file, json!({"mcpServers": {"bridge": entry}}).to_string()).expect("write");
    let mut command = Command::new(tools.join("node/bin/node"));
    command.arg(tools.join(".bin/mcp-inspector")).args(["--cli", "--config"]).arg(&file).args(["--server", "bridge"]);
    command.args(arguments).current_dir(home.path()).env("HOME", home.path());
    let done = finish(command, "").exits(0);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

#[test]
fn the_inspector_is_content() {
    let Some(home) = with_real("both", &["everything"]) else { return };
    let tools = inspected(&home, &["--strict", "--method", "tools/list"]);
    assert!(list(&tools, "tools", "name").contains(&"everything__echo"), "{tools}");
    let call = ["--method", "tools/call", "--tool-name", "everything__echo", "--tool-arg", "message=hi"];
    let echo = inspected(&home, &call);
    assert_eq!(echo["content"][0]["text"], "Echo: hi");
    let prompts = inspected(&home, &["--method", "prompts/list"]);
    assert!(list(&prompts, "prompts", "name").iter().all(|name| name.starts_with("everything__")), "{prompts}");
    let resources = inspected(&home, &["--method", "resources/list"]);
    assert!(resources["resources"].as_array().is_some_and(|all| all.len() > 1), "{resources}");
}

/// The official Python SDK as a client, of both of its lines.
#[test]
fn the_python_sdks_clients_use_the_bridge_unchanged() {
    let Some(home) = with_real("both", &["everything"]) else { return };
    let home = crate::eras::with_wide(home, crate::eras::Era::Older, "wide");
    for line in ["older", "venv"] {
        let python = test_servers_folder().join(line).join("bin/python");
        let bridge = home.command(&["serve"]);
        let mut command = Command::new(python);
        command.arg(repo().join("tests/direct/sdk_client.py")).arg(bridge.get_program()).env_clear();
        for (name, value) in bridge.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.current_dir(home.path());
        let done = finish(command, "");
        assert_eq!(done.code, Some(0), "{line}\n{}\n{}", done.stdout, done.stderr);
        let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let wanted = json!({"echo": "Echo: hi", "name": "Ada", "prompt": true, "progress": [1.0, 2.0, 3.0], "resource": "of wide"});
        assert_eq!(seen, wanted, "{line}");
    }
}
