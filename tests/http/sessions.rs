//! Streamable HTTP with sessions: 2025-03-26 to 2025-11-25.

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home};
use super::raw::{Request, hello};

/// Opens a session and gives its id.
pub fn open(bridge: &Bridge, version: &str) -> String {
    let answer = Request::rpc(1, "initialize", hello(version)).ask(bridge.port);
    assert_eq!((answer.status, &answer.json()["result"]["protocolVersion"]), (200, &json!(version)), "{answer:?}");
    let id = answer.header("mcp-session-id").expect("a session").to_owned();
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(Request::new("POST", "/mcp").json(&note).session(&id).ask(bridge.port).status, 202);
    id
}

fn python(id: u64, code: &str) -> Request {
    let call = json!({"name": "run_python", "arguments": {"code": code}, "_meta": {"progressToken": "p"}});
    Request::rpc(id, "tools/call", call)
}

#[test]
fn a_session_lives_from_initialize_to_delete() {
    let bridge = Bridge::start();
    let id = open(&bridge, "2025-11-25");
    let list = Request::rpc(2, "tools/list", json!({}));
    let listed = list.clone().session(&id).ask(bridge.port);
    assert_eq!(listed.header("content-type"), Some("application/json"));
    assert_eq!(listed.json()["result"]["tools"][0]["name"], "run_python");
    // A client that takes events only gets events.
    let events = list.clone().session(&id).with("Accept", "text/event-stream").ask(bridge.port);
    assert_eq!((events.header("content-type"), events.events().len()), (Some("text/event-stream"), 1));

    let wanted = list.ask(bridge.port);
    assert_eq!((wanted.status, wanted.code().as_str()), (400, "http.session_wanted"));
    assert_eq!(wanted.json()["id"], 2);
    let version = list.clone().session(&id).with("Mcp-Protocol-Version", "1999-01-01").ask(bridge.port);
    assert_eq!((version.status, version.code().as_str()), (400, "http.version"));
    let picky = list.clone().session(&id).with("Accept", "text/html").ask(bridge.port);
    assert_eq!((picky.status, picky.code().as_str()), (406, "http.not_acceptable"));

    assert_eq!(Request::new("DELETE", "/mcp").session(&id).ask(bridge.port).status, 204);
    for request in [list, Request::new("GET", "/mcp").with("Accept", "text/event-stream")] {
        let gone = request.session(&id).ask(bridge.port);
        assert_eq!((gone.status, gone.code().as_str()), (404, "http.no_session"));
    }
}

#[test]
fn an_initialize_that_fails_opens_no_session_and_an_id_of_the_clients_own_means_nothing() {
    let bridge = Bridge::start();
    for params in [json!({}), json!({"protocolVersion": 7}), Value::Null] {
        let failed = Request::rpc(1, "initialize", params).ask(bridge.port);
        assert!(failed.header("mcp-session-id").is_none(), "{failed:?}");
        assert!(failed.json()["error"].is_object(), "{failed:?}");
    }
    let chosen = "0123456789abcdef0123456789abcdef";
    let given = Request::rpc(1, "initialize", hello("2025-11-25")).session(chosen).ask(bridge.port);
    assert!(given.header("mcp-session-id").is_some_and(|id| id != chosen), "{given:?}");
    let fixed = Request::rpc(2, "ping", json!({})).session(chosen).ask(bridge.port);
    assert_eq!((fixed.status, fixed.code().as_str()), (404, "http.no_session"));
    eventually("one session", || bridge.get("/metrics").body.contains("mcp_bridge_http_sessions 1\n").then_some(()));
}

#[test]
fn progress_comes_first_and_a_stream_that_broke_goes_on() {
    let bridge = Bridge::start();
    let id = open(&bridge, "2025-11-25");
    let code = "print('begun', flush=True)\nawait mcp_stub.wait()\n40 + 2";
    let mut stream = python(7, code).session(&id).open(bridge.port);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    let last = stream.next("id: ").expect("a number");
    assert_eq!(stream.message()["params"]["progressToken"], "p");

    // While it is under way its id is taken, and other requests are answered.
    let twice = python(7, "1").session(&id).ask(bridge.port);
    assert_eq!((twice.status, twice.code().as_str(), &twice.json()["id"]), (400, "http.id_in_use", &json!(7)));
    assert_eq!(Request::rpc(8, "ping", json!({})).session(&id).ask(bridge.port).json()["result"], json!({}));

    drop(stream);
    let _open = bridge.opens_the_gate();
    let back = Request::new("GET", "/mcp").with("Accept", "text/event-stream").with("Last-Event-ID", &last);
    let mut stream = back.session(&id).open(bridge.port);
    let answer = loop {
        let message = stream.message();
        if message["id"] == 7 {
            break message;
        }
    };
    assert_eq!(answer["result"]["structuredContent"]["result"], 42);
    assert!(stream.next("data: ").is_none(), "nothing comes after the answer");
}

#[test]
fn batches_are_of_one_revision() {
    let bridge = Bridge::start();
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
        {"jsonrpc": "2.0", "id": "two", "method": "tools/list"},
    ]);
    let ask = |version| {
        let id = open(&bridge, version);
        Request::new("POST", "/mcp").json(&batch).session(&id).ask(bridge.port)
    };
    let answer = ask("2025-03-26");
    let mut ids: Vec<String> =
        answer.json().as_array().expect("a list").iter().map(|one| one["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"two\"", "1"]);
    let refused = ask("2025-11-25");
    assert_eq!((refused.status, refused.code().as_str()), (400, "http.message"));
}

#[test]
fn each_message_of_a_batch_counts_for_the_pace() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_RATE", "5")]);
    let id = open(&bridge, "2025-03-26");
    let batch: Vec<Value> = (0..20).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"})).collect();
    let refused = Request::new("POST", "/mcp").json(&json!(batch)).session(&id).ask(bridge.port);
    assert_eq!((refused.status, refused.code().as_str()), (429, "http.rate"));
}

#[test]
fn a_session_that_nobody_uses_ends_and_one_that_is_read_does_not() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_SESSION_IDLE", "300ms")]);
    let (read, unused) = (open(&bridge, "2025-11-25"), open(&bridge, "2025-11-25"));
    let get = Request::new("GET", "/mcp").with("Accept", "text/event-stream");
    let stream = get.session(&read).open(bridge.port);
    assert_eq!(stream.status, 200);
    let ask = |id: &str| Request::rpc(2, "ping", json!({})).session(id).ask(bridge.port).status;
    let sessions = |count: usize| bridge.get("/metrics").body.contains(&format!("mcp_bridge_http_sessions {count}\n"));
    eventually("the unused one ends", || sessions(1).then_some(()));
    assert_eq!((ask(&unused), ask(&read)), (404, 200));
}

#[test]
fn the_older_sse_works_and_ends_with_its_stream() {
    let bridge = Bridge::start();
    let mut stream = Request::new("GET", "/sse").with("Accept", "text/event-stream").open(bridge.port);
    let place = stream.next("data: ").expect("the endpoint");
    let post = |message: Value| Request::new("POST", &place).json(&message).ask(bridge.port);
    let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2024-11-05")});
    assert_eq!(post(first).status, 202);
    assert_eq!(stream.message()["result"]["serverInfo"]["name"], "mcp-bridge");
    assert_eq!(post(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})).status, 202);
    assert_eq!(stream.message()["result"]["tools"][0]["name"], "run_python");
    drop(stream);
    eventually("the session ends", || {
        // The end of a connection is noticed when something is written to it, or read from it.
        (post(json!({"jsonrpc": "2.0", "id": 3, "method": "ping"})).status == 404).then_some(())
    });
    assert_eq!(Request::new("POST", "/messages").json(&json!({})).ask(bridge.port).status, 404);
}

#[test]
fn sessions_and_what_is_under_way_in_one_are_bounded() {
    let bridge = Bridge::with(home(), &["--expose", "tools"], &[("MCP_BRIDGE_HTTP_SESSIONS", "1")]);
    let id = open(&bridge, "2025-03-26");
    let call = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "stub__wait"}});
    let many: Value = (0..256).map(call).collect();
    let post = Request::new("POST", "/mcp").json(&many).session(&id).with("Accept", "text/event-stream");
    let under_way = post.open(bridge.port);
    assert_eq!(under_way.status, 200);
    let one_more = Request::rpc(999, "ping", json!({})).session(&id).ask(bridge.port);
    assert_eq!((one_more.status, one_more.code().as_str()), (429, "http.crowded"));
    // The one session is in use, so it makes no room.
    let another = Request::rpc(1, "initialize", hello("2025-11-25")).ask(bridge.port);
    assert_eq!((another.status, another.code().as_str()), (503, "http.sessions"));
}

#[test]
fn a_session_that_ends_leaves_no_request_without_an_answer() {
    let bridge = Bridge::with(home(), &["--expose", "tools"], &[]);
    let id = open(&bridge, "2025-11-25");
    let (port, call) = (bridge.port, Request::rpc(2, "tools/call", json!({"name": "stub__wait"})).session(&id));
    let waits = std::thread::spawn(move || call.ask(port));
    eventually("it is under way", || bridge.get("/metrics").body.contains("requests_in_flight 1\n").then_some(()));
    assert_eq!(Request::new("DELETE", "/mcp").session(&id).ask(bridge.port).status, 204);
    let answer = waits.join().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (502, "http.ended"));
}
