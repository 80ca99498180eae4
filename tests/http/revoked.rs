//! What let a caller in is taken back: everything of that caller ends, what it waits for too.

use std::path::Path;

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home, run, text};
use super::raw::Request;
use super::stateless::{CAPABILITIES, VERSION, plain, request};

fn remove(bridge: &Bridge, name: &str) {
    let removed = run(bridge.home.path(), &["token", "remove", name]);
    assert!(removed.status.success(), "{}", text(&removed.stderr));
}

#[test]
fn calls_under_way_end_and_their_results_are_not_delivered() {
    let bridge = Bridge::with(home(), &["--expose", "both"], &[]);
    let (ann, bob) = (bridge.token("ann"), bridge.token("bob"));
    let under_way = |count: usize| {
        let line = format!("mcp_bridge_requests_in_flight {count}\n");
        let metrics = Request::new("GET", "/metrics").bearer(&bob);
        eventually(&line, || metrics.ask(bridge.port).body.contains(&line).then_some(()));
    };
    let rest = |body: Value| Request::new("POST", "/tools/call").json(&body);
    let calls = [
        rest(json!({"name": "stub__wait"})),
        rest(json!({"name": "run_python", "arguments": {"code": "await mcp_stub.wait()"}})),
        // Who takes no events is answered by nothing but the result.
        request("tools/call", json!({"name": "stub__wait", "arguments": {}})).with("Accept", "application/json"),
    ];
    let port = bridge.port;
    let waiting = calls.map(|call| {
        let call = call.bearer(&ann);
        std::thread::spawn(move || call.ask(port))
    });
    under_way(3);
    remove(&bridge, "ann");
    for call in waiting {
        let answer = call.join().expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (502, "http.ended"), "{answer:?}");
    }
    under_way(0);
}

/// It waits for an answer that would come by another request.
#[test]
fn a_call_that_asks_its_client_is_given_up_at_the_server() {
    let home = tempfile::tempdir().expect("a home");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/direct/wide.py");
    let file = json!({"mcpServers": {"wide": {"command": "python3", "args": [script, "older"]}}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    let bridge = Bridge::with(home, &["--expose", "tools"], &[]);
    let (ann, bob) = (bridge.token("ann"), bridge.token("bob"));
    let question = json!({"message": "what is your name?", "requestedSchema": {"type": "object", "properties": {}}});
    let ask = plain(
        "tools/call",
        json!({"name": "wide__ask", "arguments": {"method": "elicitation/create", "params": question},
            "_meta": {VERSION: "2026-07-28", CAPABILITIES: {"elicitation": {"form": {}}}}}),
    );
    let asked = ask.bearer(&ann).ask(bridge.port).json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    remove(&bridge, "ann");
    let cancelled = Request::new("POST", "/tools/call").json(&json!({"name": "wide__cancelled"})).bearer(&bob);
    assert_eq!(cancelled.ask(bridge.port).json()["structuredContent"], json!({"cancelled": 1}));
}
