//! What a caller hears of servers of which it sees a part: nothing by which it learns of the rest.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::bridge::{Bridge, run, text};
use super::raw::{Request, hello};

/// A tool that one caller may use and another may not.
const HIDDEN: &str = "open_the_vault";

/// Two servers whose hidden tool opens their breaker at once, one by its silence and one by its end; and the tokens of who sees all and of who
/// sees a part of each.
fn bridge() -> (Bridge, [String; 2]) {
    let home = tempfile::tempdir().expect("a home");
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/stub_server.py");
    let said = json!({"level": "error", "data": format!("somebody tried {HIDDEN}")});
    let ends = json!({"stderr": format!("{HIDDEN}: there is no key\n"), "crash": 1});
    let mut servers = Map::new();
    for (name, hidden) in [("slow", json!({"silent": true})), ("frail", ends)] {
        let script = json!({
            "tools": ["echo", "grow", HIDDEN],
            "calls": {
                "echo": {"notify": [{"method": "notifications/message", "params": said}]},
                "grow": {"tools": ["echo", "grow", HIDDEN, "late"]},
                (HIDDEN): hidden,
            },
        });
        let path = home.path().join(name);
        std::fs::write(&path, script.to_string()).expect("a script");
        let breaker = json!({"failure_threshold": 1, "recovery_timeout": 600});
        let entry = json!({"command": "python3", "args": [stub, path], "circuit_breaker": breaker});
        servers.insert(name.into(), entry);
    }
    let rules = json!({"access_rules": {
        "token:all": {"servers": "*", "tools": "*"},
        "token:part": {"servers": "*", "tools": ["echo", "grow"]},
    }});
    for (name, value) in [("servers.json", json!({"mcpServers": servers})), ("rules.json", rules)] {
        std::fs::write(home.path().join(name), value.to_string()).expect("a file");
    }
    let tokens = ["all", "part"].map(|name| text(&run(home.path(), &["token", "add", name]).stdout).trim().to_owned());
    let rules = home.path().join("rules.json").display().to_string();
    let env = [("MCP_BRIDGE_ACCESS", rules.as_str()), ("MCP_BRIDGE_CALL_TIMEOUT", "1500ms")];
    (Bridge::with(home, &["--expose", "both"], &env), tokens)
}

/// A session of the caller with this token.
fn session(bridge: &Bridge, token: &str) -> String {
    let opened = Request::rpc(1, "initialize", hello("2025-11-25")).bearer(token).ask(bridge.port);
    let id = opened.header("mcp-session-id").expect("a session").to_owned();
    let met = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let met = Request::new("POST", "/mcp").json(&met).session(&id).bearer(token).ask(bridge.port);
    assert_eq!(met.status, 202);
    id
}

fn call(name: &str, arguments: Value) -> Request {
    Request::rpc(2, "tools/call", json!({"name": name, "arguments": arguments}))
}

fn rest(name: &str) -> Request {
    Request::new("POST", "/tools/call").json(&json!({"name": name, "arguments": {}}))
}

#[test]
fn how_a_use_by_another_failed_does_not_name_what_is_hidden() {
    let (bridge, [all, part]) = bridge();
    for (server, code) in [("slow", "upstream.call_timeout"), ("frail", "upstream.exited")] {
        let failed = rest(&format!("{server}__{HIDDEN}")).bearer(&all).ask(bridge.port);
        assert_eq!(failed.code(), code, "{failed:?}");
    }
    let program = "async def said(asked):\n    try:\n        return await asked\n    except Exception as error:\n        return repr(error)\n\
        [await runtime.list_servers(detailed=True), await said(mcp_slow.echo()), await said(mcp_frail.echo()),\n\
        \x20   await said(runtime.search_tool_docs('echo')), await said(runtime.describe_server('frail')),\n\
        \x20   await said(runtime.list_tools('slow'))]";
    let everything = |token: &str| {
        let session = session(&bridge, token);
        let mcp = |request: Request| request.session(&session).bearer(token).ask(bridge.port).body;
        let plain = |request: Request| request.bearer(token).ask(bridge.port).body;
        [
            ("list_servers", mcp(call("list_servers", json!({})))),
            ("search_tools", mcp(call("search_tools", json!({"query": "echo"})))),
            ("a call", mcp(call("slow__echo", json!({})))),
            ("a call of what is away", mcp(call("frail__echo", json!({})))),
            ("prompts", mcp(Request::rpc(3, "prompts/list", json!({})))),
            ("a program", mcp(call("run_python", json!({"code": program})))),
            ("REST", plain(rest("slow__echo"))),
            ("REST of what is away", plain(rest("frail__echo"))),
            ("GET /tools", plain(Request::new("GET", "/tools"))),
            ("GET /health", plain(Request::new("GET", "/health"))),
        ]
    };
    for (how, told) in everything(&part) {
        assert!(!told.contains(HIDDEN), "{how}: {told}");
        if !["search_tools", "prompts"].contains(&how) {
            assert!(told.contains("upstream.") || told.contains("see all of the server"), "{how}: {told}");
        }
    }
    // Who sees all is told all.
    for (how, told) in everything(&all).into_iter().filter(|(how, _)| !["search_tools", "prompts"].contains(how)) {
        assert!(told.contains(HIDDEN), "{how}: {told}");
    }
}

#[test]
fn what_a_server_logs_is_for_those_who_see_all_of_it() {
    let (bridge, [all, part]) = bridge();
    let [of_all, of_part] = [&all, &part].map(|token| session(&bridge, token));
    let standing = |session: &str, token: &str| {
        let get = Request::new("GET", "/mcp").with("Accept", "text/event-stream");
        get.session(session).bearer(token).open(bridge.port)
    };
    let mut heard = [standing(&of_all, &all), standing(&of_part, &part)];
    // Told to all sessions: it is nobody's in particular that can be told.
    assert_eq!(rest("slow__echo").bearer(&all).ask(bridge.port).status, 200);
    assert_eq!(rest("slow__grow").bearer(&all).ask(bridge.port).status, 200);
    let [mut by_all, mut by_part] = heard.each_mut().map(|stream| stream.message());
    while by_all["method"] != "notifications/message" {
        by_all = heard[0].message();
    }
    assert!(by_all.to_string().contains(HIDDEN), "{by_all}");
    while by_part["method"] != "notifications/tools/list_changed" {
        assert_ne!(by_part["method"], "notifications/message", "{by_part}");
        by_part = heard[1].message();
    }
    // Told to the one whose call is on its way.
    let answered =
        |session: &str, token: &str| call("slow__echo", json!({})).session(session).bearer(token).ask(bridge.port).body;
    assert!(answered(&of_all, &all).contains(HIDDEN));
    let answer = answered(&of_part, &part);
    assert!(!answer.contains(HIDDEN) && answer.contains("echo"), "{answer}");
}
