//! What a client sees on the wire: MCP over stdio, nothing else on stdout, and a bridge that bad input does not end.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Engine, Home, every_engine, finish, test_servers, test_servers_folder};

/// A home whose engine cannot be there.
fn nowhere() -> Home {
    Home::new().env("DOCKER_HOST", "unix:///nowhere/docker.sock").env("CONTAINER_HOST", "unix:///nowhere/podman.sock")
}

#[test]
fn initialize_is_answered_with_no_engine_and_no_server() {
    let home = nowhere();
    let mut client = Client::start_raw(home.command(&["serve"]));
    let info = client.initialize();
    assert_eq!(info["serverInfo"]["name"], "mcp-bridge");
    assert_eq!(info["protocolVersion"], "2025-11-25");
    assert!(info["capabilities"]["tools"].is_object() && info["capabilities"]["resources"].is_object(), "{info}");
    client.logged("Loaded MCP servers: none");
    assert_eq!(client.request("ping", json!({})), json!({}));
    assert_eq!(client.wait(), Some(0));
}

#[test]
fn serve_is_meant_where_stdin_is_no_terminal() {
    let mut client = Client::start(nowhere().command(&[]));
    assert_eq!(client.request("tools/list", json!({}))["tools"][0]["name"], "run_python");
}

#[test]
fn a_server_that_hangs_does_not_delay_initialize() {
    let home = nowhere().stub("hangs", &json!({"initialize": {"silent": true}}));
    let mut client = home.serve();
    client.logged("Loaded MCP servers: hangs");
    assert_eq!(client.request("tools/list", json!({}))["tools"].as_array().map(Vec::len), Some(1));
}

#[test]
fn older_clients_are_answered_in_their_own_version() {
    let home = nowhere();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::start_raw(home.command(&["serve"]));
        let hello =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        assert_eq!(client.request("initialize", hello)["protocolVersion"], version);
    }
}

#[test]
fn the_start_up_line_names_the_servers() {
    let home = nowhere().stub("filesystem", &json!({})).stub("postgres", &json!({})).stub("git", &json!({}));
    let client = home.serve();
    let line = client.logged("Loaded MCP servers: ");
    for name in ["filesystem", "postgres", "git"] {
        assert!(line.contains(name), "{line}");
    }
}

/// The tool as a model gets it: what every conversation pays for.
fn paid(tool: &Value) -> String {
    format!("{}\n{}", tool["description"].as_str().expect("a description"), tool["inputSchema"])
}

fn tool_with(servers: usize) -> Value {
    let entries: serde_json::Map<String, Value> =
        (0..servers).map(|n| (format!("server-{n}"), json!({"command": "true", "args": [n.to_string()]}))).collect();
    let home = nowhere().file(".claude.json", &json!({"mcpServers": entries}).to_string());
    let mut client = home.serve();
    let list = client.request("tools/list", json!({}));
    assert_eq!(list["tools"].as_array().map(Vec::len), Some(1), "exactly one tool: {list}");
    assert!(list.get("nextCursor").is_none(), "{list}");
    list["tools"][0].clone()
}

#[test]
fn one_tool_the_same_for_no_server_and_a_thousand() {
    let (mut tool, mut other) = (tool_with(0), tool_with(1000));
    // But for the mark by which each bridge knows its own: no model sees it.
    let marks = [tool["_meta"].take(), other["_meta"].take()].map(|meta| meta["mcp-bridge/chain"].clone());
    assert!(marks[0].is_string() && marks[1].is_string() && marks[0] != marks[1], "{marks:?}");
    assert_eq!(tool["name"], "run_python");
    assert_eq!(tool["outputSchema"], mcp_bridge::output::output_schema());
    assert_eq!(tool["annotations"]["destructiveHint"], true);
    let declared: Vec<_> = tool["inputSchema"]["properties"].as_object().expect("properties").keys().collect();
    assert_eq!(declared, ["code", "servers", "timeout", "session", "reset", "files"]);
    assert_eq!(other, tool);
}

/// The exact count, with the o200k vocabulary.
#[test]
fn the_tool_costs_at_most_300_tokens() {
    if test_servers().is_none() {
        return;
    }
    let tools = test_servers_folder().join("tools/node_modules");
    let script =
        "const {Tiktoken} = require('js-tiktoken/lite'); const ranks = require('js-tiktoken/ranks/o200k_base');
        let text = ''; process.stdin.on('data', d => text += d)
            .on('end', () => console.log(new Tiktoken(ranks.default ?? ranks).encode(text).length));";
    let count = |text: &str| {
        let mut command = Command::new("node");
        command.args(["-e", script]).current_dir(tools.parent().expect("a folder"));
        let done = finish(command, text).exits(0);
        done.stdout.trim().parse::<usize>().expect("a number")
    };
    // The vocabulary is the one we mean: the older cl100k makes 6 of this.
    assert_eq!(count("Привет, мир"), 4);
    let text = paid(&tool_with(0));
    let tokens = count(&text);
    assert!(tokens <= 300, "{tokens} tokens:\n{text}");
}

#[test]
fn the_capability_resource_is_listed_and_read() {
    let mut client = nowhere().stub("time", &json!({})).serve();
    let list = client.request("resources/list", json!({}));
    let uri = list["resources"][0]["uri"].clone();
    assert_eq!(
        (uri.as_str(), list["resources"].as_array().map(Vec::len)),
        (Some("mcp-bridge://capabilities"), Some(1))
    );
    let read = client.request("resources/read", json!({"uri": uri}));
    let text = read["contents"][0]["text"].as_str().expect("text");
    assert!(text.contains("mcp_time") && text.contains("search_tool_docs"), "{text}");
    let id = client.send("resources/read", json!({"uri": "mcp-bridge://nothing"}));
    let error = client.response(id)["error"].take();
    assert_eq!(error["code"], -32002, "{error}");
    assert!(error["message"].to_string().contains("mcp-bridge://capabilities"), "{error}");
}

#[test]
fn what_is_not_understood_is_refused_by_number_and_the_next_request_works() {
    let mut client = nowhere().serve();
    let mut refused = |method: &str, params: Value, code: i64, said: &str| {
        let id = client.send(method, params);
        let error = client.response(id)["error"].take();
        assert_eq!(error["code"], code, "{method}: {error}");
        assert!(error["message"].to_string().contains(said), "{method}: {error}");
        client.request("ping", json!({}));
    };
    refused("tools/call", json!({"name": "run_pyhton", "arguments": {}}), -32602, "run_python");
    refused("tools/call", json!({"name": "", "arguments": {}}), -32602, "run_python");
    refused("tools/fly", json!({}), -32601, "");
    refused("prompts/get", json!({"name": "x"}), -32601, "");
    for params in
        [json!({}), json!({"name": 7}), json!({"name": "run_python", "arguments": [1]}), json!({"name": null})]
    {
        let id = client.send("tools/call", params.clone());
        assert!(client.response(id)["error"]["code"].is_i64(), "{params}");
    }
    client.request("ping", json!({}));
}

/// A request after which the bridge has read all that was sent before.
fn still_there(client: &mut Client, after: &str) {
    let id = client.send("ping", json!({}));
    assert_eq!(client.response(id)["result"], json!({}), "after {after}");
}

#[test]
fn garbage_on_stdin_ends_nothing() {
    let mut client = nowhere().serve();
    for line in [
        "",
        "   ",
        "hello",
        "{",
        "}{",
        "[]",
        "[1, 2, 3]",
        "null",
        "true",
        "12",
        "\"text\"",
        "{}",
        r#"{"jsonrpc": "1.0", "id": 1000, "method": "ping"}"#,
        r#"{"jsonrpc": "2.0"}"#,
        r#"{"jsonrpc": "2.0", "id": {}, "method": "ping"}"#,
        r#"{"jsonrpc": "2.0", "id": 1001, "method": 5}"#,
        r#"{"jsonrpc": "2.0", "id": 1002, "method": "ping", "params": "none"}"#,
        r#"{"jsonrpc": "2.0", "id": 1003, "result": {"an answer": "nobody asked for"}}"#,
        r#"{"jsonrpc": "2.0", "id": 1004, "error": {"code": 1, "message": "no"}}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/never_heard_of"}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/cancelled"}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99999}}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": []}}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": "x"}}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#,
    ] {
        client.send_line(line);
        still_there(&mut client, line);
    }
    for bytes in [&b"\xff\xfe\x00"[..], &[0; 100], b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"\xc3\x28\"}"] {
        client.send_bytes(bytes);
        still_there(&mut client, "bytes that are no text");
    }
    client.send_line(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    still_there(&mut client, "deep JSON");
    // Answers to numbers nobody asked with would be noise; every line parsed, or `response` would have failed.
    for message in &client.pending {
        assert!(message["error"]["code"].is_i64(), "{message}");
    }
}

#[test]
fn a_line_beyond_every_limit_ends_nothing() {
    let mut client = nowhere().serve();
    for megabytes in [17, 100] {
        client.send_bytes(&vec![b'x'; megabytes << 20]);
        still_there(&mut client, "an endless line");
    }
}

#[test]
fn requests_before_initialize_end_nothing() {
    let home = nowhere();
    let mut client = Client::start_raw(home.command(&["serve"]));
    client.send_line("hello");
    client.initialize();
    still_there(&mut client, "a line before initialize");
}

every_engine!(many_requests_at_once_are_answered_each_by_its_number, |engine| {
    let mut client = Home::on(engine).serve();
    let calls: Vec<u64> = (0..4).map(|n| client.send_call(json!({"code": format!("{n} * 10")}))).collect();
    let pings: Vec<u64> = (0..50).map(|_| client.send("ping", json!({}))).collect();
    for ping in pings.into_iter().rev() {
        assert_eq!(client.response(ping)["result"], json!({}));
    }
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(client.result(call)["structuredContent"]["result"], n * 10);
    }
});

every_engine!(the_three_output_modes_carry_the_same_fields, |engine| {
    let code = "print('hi')\n[{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}]";
    for (mode, begins) in [("toon", "```toon\n"), ("json", "```json\n"), ("compact", "success in ")] {
        let result = Home::on(engine).env("MCP_BRIDGE_OUTPUT_MODE", mode).serve().call(json!({"code": code}));
        let (text, report) = (result["content"][0]["text"].as_str().expect("text"), &result["structuredContent"]);
        assert!(text.starts_with(begins), "{text}");
        assert_eq!((&report["stdout"], &report["result"][1]["name"]), (&json!("hi\n"), &json!("b")));
        let body = text.trim_start_matches(begins).trim_end_matches("\n```");
        match mode {
            "toon" => assert_eq!(&toon_format::decode_default::<Value>(body).expect("TOON"), report),
            "json" => assert_eq!(&serde_json::from_str::<Value>(body).expect("JSON"), report),
            _ => assert!(text.contains("stdout: hi") && text.contains("\"name\":\"b\""), "{text}"),
        }
    }
});

/// The official inspector: a client that is not ours.
fn inspector(engine: &Engine, home: &Home, arguments: &[&str]) -> Value {
    let tools = test_servers_folder().join("tools/node_modules");
    let config = json!({"mcpServers": {"bridge": {"type": "stdio", "command": env!("CARGO_BIN_EXE_mcp-bridge"), "args": ["serve"], "env": {
        "HOME": home.path(), "MCP_BRIDGE_STATE_DIR": home.path().join("state"), "MCP_BRIDGE_RUNTIME": engine.name,
        "DOCKER_HOST": engine.host, "CONTAINER_HOST": engine.host, "MCP_BRIDGE_IMAGE": "localhost/mcp-bridge-test:3.13",
    }}}});
    let file = home.path().join("inspector.json");
    std::fs::write(&file, config.to_string()).expect("write");
    let mut command = Command::new(tools.join("node/bin/node"));
    command.arg(tools.join(".bin/mcp-inspector")).args(["--cli", "--config"]).arg(&file).args(["--server", "bridge"]);
    command.args(arguments).current_dir(home.path()).env("HOME", home.path());
    let done = finish(command, "").exits(0);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

every_engine!(containers: the_official_inspector_lists_and_calls, |engine| {
    if test_servers().is_none() {
        return;
    }
    let home = Home::new();
    let list = inspector(engine, &home, &["--strict", "--method", "tools/list"]);
    assert_eq!(list["tools"][0]["name"], "run_python", "{list}");
    let call = ["--method", "tools/call", "--tool-name", "run_python", "--tool-args-json"];
    let result = inspector(engine, &home, &[&call[..], &[r#"{"code": "print('seen')\n6 * 7"}"#]].concat());
    assert_eq!(result["structuredContent"]["result"], 42, "{result}");
    assert_eq!(result["structuredContent"]["stdout"], "seen\n", "{result}");
});
