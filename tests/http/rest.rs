//! Tools for whoever speaks no MCP.

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home};
use super::raw::{Request, hello};

fn names(listed: &Value) -> Vec<String> {
    let tools = listed["tools"].as_array().expect("tools");
    tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn tools_are_listed_and_called_by_server_and_name() {
    let bridge = Bridge::start();
    let listed = bridge.get("/tools").json();
    assert_eq!(names(&listed), ["run_python", "stub__echo", "stub__wait", "stub__go", "stub__fail"]);
    assert_eq!(listed["tools"][1]["inputSchema"]["required"], json!(["text"]));
    assert_eq!(listed["unavailable"], json!([]));
    let call =
        |name: &str, arguments: Value| bridge.post("/tools/call", &json!({"name": name, "arguments": arguments}));
    let echoed = call("stub__echo", json!({"text": "hé\n"}));
    assert_eq!((echoed.status, &echoed.json()["structuredContent"]["arguments"]["text"]), (200, &json!("hé\n")));
    assert_eq!(call("stub__fail", json!({})).json()["isError"], true);
    assert_eq!(call("run_python", json!({"code": "1 + 1"})).json()["structuredContent"]["result"], 2);
    assert_eq!(call("run_python", json!({})).json()["isError"], true);
    for (name, arguments, status, code) in [
        ("stub__ehco", json!({}), 404, "server.tool_unknown"),
        ("nobody__echo", json!({}), 404, "server.tool_unknown"),
        ("echo", json!({}), 404, "server.tool_unknown"),
    ] {
        let answer = call(name, arguments);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
    }
    let wrong = call("stub__echo", json!({"txt": "x"}));
    assert!(wrong.status == 400 && wrong.code().starts_with("catalog."), "{wrong:?}");
    let twice = br#"{"name":"stub__go","arguments":{"a":1,"a":2}}"#;
    let request = Request::new("POST", "/tools/call").with("Content-Type", "application/json").body(twice);
    assert_eq!(request.ask(bridge.port).code(), "http.body");
    for body in
        [json!({}), json!([]), json!(["stub__go"]), json!({"name": 7}), json!({"name": "stub__go", "arguments": []})]
    {
        assert_eq!(bridge.post("/tools/call", &body).code(), "http.call", "{body}");
    }
    let text = json!({"text": "x"});
    for (key, value) in [("args", &text), ("argument", &text), ("_meta", &json!({"progressToken": 1}))] {
        let mut body = json!({"name": "stub__go"});
        body[key] = value.clone();
        let refused = bridge.post("/tools/call", &body);
        assert_eq!((refused.status, refused.code().as_str()), (400, "http.call"), "{key}");
        assert!(refused.body.contains(&format!("`{key}`")) && refused.body.contains("`arguments`"), "{refused:?}");
    }
    let mut long = json!({"name": "stub__go"});
    long["x".repeat(100_000)] = json!(1);
    assert!(bridge.post("/tools/call", &long).body.len() < 500, "what was sent is not sent back");
}

#[test]
fn what_is_refused_is_said_in_the_words_of_rest() {
    let bridge = Bridge::start();
    for (name, arguments, hint) in [
        ("stub__echo", json!({"txt": "x"}), "did you mean text?"),
        ("stub__echo", json!({"xyzzy": 1}), "GET /tools has the `inputSchema` of each tool"),
        ("stub__echo", json!({}), "GET /tools has the `inputSchema` of each tool"),
        ("stub__echo", json!({"text": 7}), "GET /tools has the `inputSchema` of each tool"),
        ("stub__echo", json!({"text": "x", "timeout": "soon"}), "pass seconds, for example 30"),
        ("nobody__echo", json!({}), "GET /tools names what there is"),
    ] {
        let refused = bridge.post("/tools/call", &json!({"name": name, "arguments": arguments})).json();
        assert_eq!(refused["error"]["hint"], hint, "{name} {arguments}: {refused}");
    }
}

/// A prefix of its own and none, two tools whose names clash, names that clients refuse, a server that does not start.
#[test]
fn tools_have_the_names_that_clients_of_mcp_see() {
    let home = home();
    let long = "x".repeat(70);
    std::fs::write(home.path().join("long.json"), json!({"tools": [long, "a.b"]}).to_string()).expect("a script");
    std::fs::write(home.path().join("clash.json"), json!({"tools": ["s__echo"]}).to_string()).expect("a script");
    let file = home.path().join("servers.json");
    let mut servers: Value = serde_json::from_slice(&std::fs::read(&file).expect("servers")).expect("JSON");
    for (name, script) in [("long", "long.json"), ("bare", "clash.json")] {
        let mut entry = servers["mcpServers"]["stub"].clone();
        entry["args"][1] = json!(home.path().join(script));
        servers["mcpServers"][name] = entry;
    }
    servers["mcpServers"]["gone"] = json!({"command": "/no/such/server"});
    std::fs::write(&file, servers.to_string()).expect("servers");
    let prefixes = [("MCP_BRIDGE_PREFIXES", "stub=s,bare=")];
    let bridge = Bridge::with(home, &["--expose", "tools"], &prefixes);

    let opened = Request::rpc(1, "initialize", hello("2025-11-25")).ask(bridge.port);
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let listed = Request::rpc(2, "tools/list", json!({})).session(&session).ask(bridge.port).json();
    let by_mcp: Vec<String> = names(&listed["result"]).into_iter().skip(3).collect();
    let rest = bridge.get("/tools").json();
    assert_eq!(names(&rest), by_mcp, "no run_python, which nobody is offered");
    assert_eq!(rest["unavailable"][0]["server"], "gone", "{rest}");
    assert!(rest["unavailable"][0]["code"].as_str().is_some_and(|code| code.starts_with("upstream.")), "{rest}");

    let call =
        |name: &str, arguments: Value| bridge.post("/tools/call", &json!({"name": name, "arguments": arguments}));
    let own = |name: &str| by_mcp.iter().find(|known| known.starts_with(name)).unwrap_or_else(|| panic!("{by_mcp:?}"));
    assert_eq!(by_mcp.iter().filter(|name| name.starts_with("s__echo_")).count(), 2, "{by_mcp:?}");
    assert_eq!(call(own("s__go"), json!({})).status, 200);
    assert_eq!(call(own("long__a_b_"), json!({})).status, 200);
    assert_eq!(call(own("long__xxx"), json!({})).status, 200);
    for none in ["stub__go", "s__echo", "long__a.b", &format!("long__{long}"), "run_python", "list_servers"] {
        assert_eq!(call(none, json!({})).code(), "server.tool_unknown", "{none}");
    }
}

#[test]
fn servers_tools_are_there_whatever_clients_are_offered() {
    for (mode, code) in [("code", true), ("tools", false), ("both", true), ("auto", true)] {
        let bridge = Bridge::with(home(), &["--expose", mode], &[("MCP_BRIDGE_EXPOSE_LIMIT", "1")]);
        let listed = names(&bridge.get("/tools").json());
        assert_eq!(listed.iter().any(|name| name == "run_python"), code, "{mode}: {listed:?}");
        assert!(listed.iter().any(|name| name == "stub__go"), "{mode}: {listed:?}");
        assert_eq!(bridge.post("/tools/call", &json!({"name": "stub__go"})).status, 200, "{mode}");
        let ran = bridge.post("/tools/call", &json!({"name": "run_python", "arguments": {"code": "1"}}));
        assert_eq!(ran.status, if code { 200 } else { 404 }, "{mode}");
    }
}

#[test]
fn a_call_may_say_who_makes_it_where_the_operator_allows_that() {
    let home = home();
    let rules = json!({"access_rules": {"ann": {"servers": "*", "tools": "*"}}});
    std::fs::write(home.path().join("rules.json"), rules.to_string()).expect("rules");
    let path = home.path().join("rules.json").display().to_string();
    let bridge = Bridge::with(home, &[], &[("MCP_BRIDGE_ACCESS", &path), ("MCP_BRIDGE_AGENT_ID", "1")]);
    let call = |arguments: Value| bridge.post("/tools/call", &json!({"name": "stub__echo", "arguments": arguments}));
    let echoed = call(json!({"agent_id": "ann", "text": "x"}));
    assert_eq!(echoed.json()["structuredContent"]["arguments"], json!({"text": "x"}), "{echoed:?}");
    for other in [json!({"text": "x"}), json!({"agent_id": "bob", "text": "x"})] {
        assert_eq!(call(other).code(), "server.tool_unknown");
    }
    assert_eq!(call(json!({"agent_id": "token:ann", "text": "x"})).code(), "request.argument");
}

#[test]
fn metrics_are_of_prometheus() {
    let bridge = Bridge::start();
    bridge.get("/tools");
    let metrics = bridge.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("mcp_bridge_http_requests_total{path=\"/tools\",status=\"200\"} 1\n"));
    assert!(metrics.body.contains("mcp_bridge_server_tools{server=\"stub\"} 4\n"), "{}", metrics.body);
    let mut declared = Vec::new();
    for line in metrics.body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            declared.push(rest.split(' ').next().expect("a name"));
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(declared.contains(&name), "{line}");
            assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
        }
    }
}

#[test]
fn metrics_tell_how_servers_fare() {
    let home = super::bridge::home();
    let file = home.path().join("servers.json");
    let mut servers: Value = serde_json::from_slice(&std::fs::read(&file).expect("servers")).expect("JSON");
    servers["mcpServers"]["dead"] = json!({"command": "false", "circuit_breaker": {"failure_threshold": 2}});
    std::fs::write(&file, servers.to_string()).expect("servers");
    let bridge = Bridge::with(home, &[], &[("MCP_BRIDGE_CALL_TIMEOUT", "500ms")]);
    let call = |name: &str| bridge.post("/tools/call", &json!({"name": name}));
    assert_eq!((call("stub__fail").status, &call("stub__fail").json()["isError"]), (200, &json!(true)));
    for (name, status, code) in [("dead__x", 503, "upstream.exited"), ("stub__wait", 504, "upstream.call_timeout")] {
        let refused = call(name);
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{name}: {refused:?}");
    }
    let left_alone = || Some(call("dead__x")).filter(|refused| refused.code() == "gateway.breaker_open");
    let refused = eventually("it is left alone", left_alone);
    let wait = refused.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
    assert!(refused.status == 503 && wait.is_some_and(|wait| (1..=61).contains(&wait)), "{refused:?}");
    // Those that were closed are counted until the bridge has seen it.
    let alone = || Some(bridge.get("/metrics").body).filter(|text| text.contains("mcp_bridge_http_connections 1\n"));
    let metrics = eventually("the others have gone", alone);
    for line in [
        "mcp_bridge_server_up{server=\"stub\"} 1\n",
        "mcp_bridge_server_up{server=\"dead\"} 0\n",
        "mcp_bridge_server_breaker_open{server=\"stub\"} 0\n",
        "mcp_bridge_server_breaker_open{server=\"dead\"} 1\n",
        "mcp_bridge_requests_in_flight 0\n",
        "mcp_bridge_draining 0\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let health = bridge.get("/health").json();
    let dead = health["servers"].as_array().expect("servers").iter().find(|it| it["name"] == "dead").expect("one");
    assert_eq!((&health["status"], &dead["breaker"]), (&json!("degraded"), &json!("open")), "{health}");
    assert!(dead["error"].is_string() && dead["next_try_s"].as_f64() > Some(0.0), "{health}");
}

/// A file system of some pages that is full: needs the right to mount.
#[test]
fn a_trail_that_cannot_be_written_is_told_everywhere() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let home = super::bridge::home();
    let folder = home.path().join("trail");
    std::fs::create_dir(&folder).expect("a folder");
    if mount(Some("tmpfs"), &folder, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).is_err() {
        eprintln!("SKIPPED: a small file system needs the right to mount");
        return;
    }
    let mut bridge = Bridge::with(home, &[], &[("MCP_BRIDGE_AUDIT", "trail/t.jsonl")]);
    assert_eq!(bridge.post("/tools/call", &json!({"name": "stub__go"})).status, 200);
    assert!(bridge.get("/metrics").body.contains("mcp_bridge_audit_missing 0\n"));
    let _ = std::fs::write(folder.join("ballast"), vec![0; 1 << 20]);
    let missing = super::bridge::eventually("a line is missing", || {
        assert_eq!(bridge.post("/tools/call", &json!({"name": "stub__go"})).status, 200, "it stops no call");
        let metrics = bridge.get("/metrics").body;
        (!metrics.contains("mcp_bridge_audit_missing 0\n")).then_some(metrics)
    });
    assert!(missing.contains("mcp_bridge_audit_missing "), "{missing}");
    bridge.logged("audit.unwritten");
    assert_eq!(bridge.get("/health").json()["status"], "degraded");
    let _ = umount2(&folder, MntFlags::MNT_DETACH);
}
