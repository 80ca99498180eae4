//! Streamable HTTP of 2026-07-28: each request by itself.

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually};
use super::raw::Request;

pub const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

pub fn request(method: &str, mut params: Value) -> Request {
    params["_meta"] = json!({VERSION: "2026-07-28", CAPABILITIES: {}});
    plain(method, params)
}

pub fn plain(method: &str, params: Value) -> Request {
    let request = Request::rpc(5, method, params.clone());
    let request = request.with("Mcp-Protocol-Version", "2026-07-28").with("Mcp-Method", method);
    match params["name"].as_str() {
        Some(name) => request.with("Mcp-Name", name),
        None => request,
    }
}

#[test]
fn requests_are_answered_without_a_session() {
    let bridge = Bridge::start();
    let discovered = request("server/discover", json!({})).ask(bridge.port);
    assert_eq!(discovered.status, 200, "{discovered:?}");
    assert!(
        discovered.json()["result"]["supportedVersions"].as_array().expect("versions").contains(&json!("2026-07-28"))
    );
    assert!(discovered.header("mcp-session-id").is_none());
    let call = json!({"name": "run_python", "arguments": {"code": "20 + 1"}});
    let called = request("tools/call", call.clone()).ask(bridge.port);
    assert_eq!(called.json()["result"]["structuredContent"]["result"], 21, "{called:?}");
    // Names that are not ASCII travel wrapped.
    let wrapped = request("tools/call", call).with("Mcp-Name", "=?base64?cnVuX3B5dGhvbg==?=").ask(bridge.port);
    assert_eq!(wrapped.status, 200, "{wrapped:?}");
}

#[test]
fn what_is_missing_or_belies_the_body_is_refused_with_the_requests_id() {
    let bridge = Bridge::start();
    let meta = |meta: Value| plain("tools/list", json!({"_meta": meta}));
    let list = || request("tools/list", json!({}));
    let cases: Vec<(&str, Request, u16, i64)> = vec![
        ("no _meta", plain("tools/list", json!({})), 400, -32602),
        ("no version", meta(json!({CAPABILITIES: {}})), 400, -32602),
        ("no capabilities", meta(json!({VERSION: "2026-07-28"})), 400, -32602),
        ("capabilities of no use", meta(json!({VERSION: "2026-07-28", CAPABILITIES: 7})), 400, -32602),
        ("another version", meta(json!({VERSION: "2027-01-01", CAPABILITIES: {}})), 400, -32020),
        ("no header", list().without("Mcp-Protocol-Version"), 400, -32020),
        ("another header", list().with("Mcp-Protocol-Version", "2025-11-25"), 400, -32020),
        ("no method", list().without("Mcp-Method"), 400, -32020),
        ("another method", list().with("Mcp-Method", "tools/call"), 400, -32020),
        ("two methods", list().and("Mcp-Method", "tools/list"), 400, -32020),
        (
            "a version to come",
            meta(json!({VERSION: "2027-01-01", CAPABILITIES: {}})).with("Mcp-Protocol-Version", "2027-01-01"),
            400,
            -32022,
        ),
        ("another name", request("tools/call", json!({"name": "run_python"})).with("Mcp-Name", "x"), 400, -32020),
        ("no name", request("tools/call", json!({"name": "run_python"})).without("Mcp-Name"), 400, -32020),
        (
            "no base64",
            request("tools/call", json!({"name": "run_python"})).with("Mcp-Name", "=?base64?*?="),
            400,
            -32020,
        ),
        ("unknown", request("no/such", json!({})), 404, -32601),
        ("prompts", request("prompts/list", json!({})), 404, -32601),
        ("initialize", request("initialize", json!({})), 404, -32601),
        ("ping", request("ping", json!({})), 404, -32601),
        ("level", request("logging/setLevel", json!({})), 404, -32601),
        ("subscribe", request("resources/subscribe", json!({})), 404, -32601),
        ("tasks undeclared", request("tasks/get", json!({"taskId": "x"})).with("Mcp-Name", "x"), 400, -32021),
    ];
    for (what, request, status, code) in cases {
        let answer = request.ask(bridge.port);
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["error"]["code"], &body["id"]),
            (status, &json!(code), &json!(5)),
            "{what}: {body}"
        );
    }
    for method in ["GET", "DELETE"] {
        let answer = Request::new(method, "/mcp").with("Mcp-Protocol-Version", "2026-07-28").ask(bridge.port);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    }
}

#[test]
fn what_this_revision_wants_and_has_no_more_is_told_by_codes() {
    let bridge = Bridge::start();
    let bare = plain("tools/list", json!({})).ask(bridge.port);
    assert_eq!((bare.status, bare.code().as_str()), (400, "http.meta"));
    let ping = request("ping", json!({})).ask(bridge.port);
    assert_eq!((ping.status, ping.code().as_str()), (404, "http.removed"));
}

#[test]
fn a_subscription_is_acknowledged_and_tagged_and_ends_with_its_connection() {
    let bridge = Bridge::start();
    let listen = request("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut stream = listen.open(bridge.port);
    let first = stream.message();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 5, "{first}");
    drop(stream);
    eventually("the connection ends", || bridge.get("/metrics").body.contains("http_connections 1\n").then_some(()));
}

#[test]
fn a_client_that_goes_away_has_taken_its_call_back() {
    let bridge = Bridge::start();
    let code = "print('begun', flush=True)\nawait mcp_stub.wait()";
    let meta = json!({VERSION: "2026-07-28", CAPABILITIES: {}, "progressToken": 1});
    let call = plain("tools/call", json!({"name": "run_python", "arguments": {"code": code}, "_meta": meta}));
    let mut stream = call.open(bridge.port);
    assert_eq!(stream.message()["method"], "notifications/progress");
    assert!(bridge.get("/metrics").body.contains("requests_in_flight 1\n"));
    drop(stream);
    eventually("the run ends", || bridge.get("/metrics").body.contains("requests_in_flight 0\n").then_some(()));
}

/// A server of the older era asks by its one connection, and it shows nowhere whose call the question is about.
#[test]
fn a_question_for_one_of_nobody_in_particular_goes_to_no_other() {
    let home = tempfile::tempdir().expect("a home");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/direct/wide.py");
    let file = json!({"mcpServers": {"wide": {"command": "python3", "args": [script, "older"]}}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    let bridge = Bridge::with(home, &["--expose", "tools"], &[]);
    let call = |tool: &str, arguments: Value| {
        let mut params = json!({"name": format!("wide__{tool}"), "arguments": arguments});
        params["_meta"] = json!({VERSION: "2026-07-28", CAPABILITIES: {"elicitation": {"form": {}}}});
        plain("tools/call", params)
    };
    let question = json!({"message": "what is your name?", "requestedSchema": {"type": "object", "properties": {}}});
    let ask = call("ask", json!({"method": "elicitation/create", "params": question}));
    // Alone, it is asked.
    let asked = ask.ask(bridge.port).json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let port = bridge.port;
    let hold = call("hold", json!({}));
    let held = std::thread::spawn(move || hold.ask(port).json());
    let refused = eventually("the other call is on its way", || {
        let answer = ask.ask(bridge.port).json();
        (answer["result"]["resultType"] != "input_required").then_some(answer)
    });
    assert!(refused["result"]["structuredContent"]["error"].is_object(), "{refused}");
    assert_eq!(call("release", json!({})).ask(bridge.port).status, 200);
    let held = held.join().expect("an answer");
    assert_eq!(held["result"]["structuredContent"], json!({"held": true}), "{held}");
}
