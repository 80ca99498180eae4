//! Tools for whoever speaks no MCP.

use serde_json::{Value, json};

use super::bridge::Bridge;
use super::raw::Request;

#[test]
fn tools_are_listed_and_called_by_server_and_name() {
    let bridge = Bridge::start();
    let listed = bridge.get("/tools").json();
    let names: Vec<&str> =
        listed["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["run_python", "stub__echo", "stub__wait", "stub__go", "stub__fail"]);
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
        ("stub__ehco", json!({}), 404, "broker.tool_not_found"),
        ("nobody__echo", json!({}), 404, "broker.tool_not_found"),
        ("echo", json!({}), 404, "broker.tool_not_found"),
    ] {
        let answer = call(name, arguments);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
    }
    let wrong = call("stub__echo", json!({"txt": "x"}));
    assert!(wrong.status == 400 && wrong.code().starts_with("catalog."), "{wrong:?}");
    let twice = br#"{"name":"stub__go","arguments":{"a":1,"a":2}}"#;
    let request = Request::new("POST", "/tools/call").with("Content-Type", "application/json").body(twice);
    assert_eq!(request.ask(bridge.port).code(), "http.body");
    for body in [json!({}), json!([]), json!({"name": 7}), json!({"name": "stub__go", "arguments": []})] {
        assert_eq!(bridge.post("/tools/call", &body).code(), "http.call", "{body}");
    }
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
    servers["mcpServers"]["dead"] = json!({"command": "false", "circuit_breaker": {"failure_threshold": 1}});
    std::fs::write(&file, servers.to_string()).expect("servers");
    let bridge = Bridge::with(home, &[], &[("MCP_BRIDGE_CALL_TIMEOUT", "500ms")]);
    let call = |name: &str| bridge.post("/tools/call", &json!({"name": name}));
    assert_eq!((call("stub__fail").status, &call("stub__fail").json()["isError"]), (200, &json!(true)));
    for (name, status, code) in [
        ("dead__x", 503, "upstream.exited"),
        ("dead__x", 503, "gateway.breaker_open"),
        ("stub__wait", 504, "upstream.call_timeout"),
    ] {
        let refused = call(name);
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{name}: {refused:?}");
    }
    let metrics = bridge.get("/metrics").body;
    for line in [
        "mcp_bridge_server_up{server=\"stub\"} 1\n",
        "mcp_bridge_server_up{server=\"dead\"} 0\n",
        "mcp_bridge_server_breaker_open{server=\"stub\"} 0\n",
        "mcp_bridge_server_breaker_open{server=\"dead\"} 1\n",
        "mcp_bridge_requests_in_flight 0\n",
        "mcp_bridge_http_connections 1\n",
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
