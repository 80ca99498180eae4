//! Requests that their clients cancel: nothing is left of them, and nothing is taken from others.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home};
use super::raw::{Request, hello};
use super::sessions::open;
use super::stateless::{CAPABILITIES, VERSION};
use super::ws::{answer, closed, connect, request, say};

/// Longer than a test waits: an end that waits for its grace comes too late.
const GRACE: (&str, &str) = ("MCP_BRIDGE_HTTP_GRACE", "600");

fn bridge() -> Bridge {
    Bridge::with(home(), &["--expose", "tools"], &[GRACE, ("MCP_BRIDGE_HTTP_RATE", "100000")])
}

fn call(id: u64) -> Value {
    request(id, "tools/call", json!({"name": "stub__wait", "_meta": {"progressToken": id}}))
}

fn cancel(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

#[track_caller]
fn under_way(bridge: &Bridge, count: usize) {
    let line = format!("mcp_bridge_requests_in_flight {count}\n");
    eventually(&line, || bridge.get("/metrics").body.contains(&line).then_some(()));
}

#[tokio::test]
async fn a_websocket_has_room_for_more_and_does_not_hold_up_the_end() {
    let mut bridge = bridge();
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    say(&mut socket, request(1, "initialize", hello("2025-11-25"))).await;
    answer(&mut socket, 1).await;
    say(&mut socket, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    // More than may be under way.
    for id in 2..300 {
        say(&mut socket, call(id)).await;
        say(&mut socket, cancel(id)).await;
    }
    say(&mut socket, request(999, "ping", json!({}))).await;
    assert_eq!(answer(&mut socket, 999).await["result"], json!({}));
    under_way(&bridge, 0);
    bridge.signal(Signal::SIGTERM);
    assert_eq!(closed(&mut socket).await, Some(1001));
    assert_eq!(bridge.ended(), Some(0));
}

#[tokio::test]
async fn a_subscription_over_websocket_does_not_hold_up_the_end() {
    let mut bridge = bridge();
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    let meta = json!({VERSION: "2026-07-28", CAPABILITIES: {}});
    say(&mut socket, request(1, "tools/list", json!({"_meta": meta}))).await;
    answer(&mut socket, 1).await;
    let listen = json!({"notifications": {"toolsListChanged": true}, "_meta": meta});
    say(&mut socket, request(2, "subscriptions/listen", listen)).await;
    assert!(super::ws::text(&mut socket).await.contains("notifications/subscriptions/acknowledged"));
    under_way(&bridge, 0);
    bridge.signal(Signal::SIGTERM);
    assert_eq!(bridge.ended(), Some(0));
}

#[test]
fn the_older_sse_goes_on() {
    let bridge = bridge();
    let mut stream = Request::new("GET", "/sse").with("Accept", "text/event-stream").open(bridge.port);
    let place = stream.next("data: ").expect("the endpoint");
    let post = |message: &Value| Request::new("POST", &place).json(message).ask(bridge.port).status;
    assert_eq!(post(&request(1, "initialize", hello("2024-11-05"))), 202);
    assert_eq!(stream.message()["id"], 1);
    assert_eq!(post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})), 202);
    assert_eq!(post(&call(2)), 202);
    under_way(&bridge, 1);
    assert_eq!(post(&cancel(2)), 202);
    under_way(&bridge, 0);
    assert_eq!(post(&request(3, "ping", json!({}))), 202);
    assert_eq!(stream.message()["id"], 3);
}

#[test]
fn the_others_of_a_batch_are_answered() {
    let bridge = bridge();
    let session = open(&bridge, "2025-03-26");
    let post = |batch: Value| Request::new("POST", "/mcp").json(&batch).session(&session);
    let mut stream = post(json!([call(2), call(3)])).with("Accept", "text/event-stream").open(bridge.port);
    under_way(&bridge, 2);
    // A cancel beside a request.
    let pinged = post(json!([cancel(2), request(4, "ping", json!({}))])).ask(bridge.port);
    assert_eq!(pinged.json()[0]["id"], 4, "{pinged:?}");
    under_way(&bridge, 1);
    let gate = bridge.opens_the_gate();
    assert_eq!(stream.message()["id"], 3);
    assert!(stream.next("data: ").is_none(), "nothing else is waited for");
    drop(gate);
}

#[test]
fn a_batch_of_which_nothing_is_left_has_ended() {
    let bridge = bridge();
    let session = open(&bridge, "2025-03-26");
    let post =
        Request::new("POST", "/mcp").json(&json!([call(2)])).session(&session).with("Accept", "application/json");
    let port = bridge.port;
    let waits = std::thread::spawn(move || post.ask(port));
    under_way(&bridge, 1);
    let cancelled = Request::new("POST", "/mcp").json(&cancel(2)).session(&session).ask(bridge.port);
    assert_eq!(cancelled.status, 202);
    let answer = waits.join().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (502, "http.ended"));
}
