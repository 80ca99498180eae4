//! JSON that means two things, or has no bottom, on every route that takes any.

use serde_json::{Value, json};

use super::attack::lives;
use super::bridge::{Bridge, home};
use super::raw::{Answer, Request, hello};
use super::{sessions, stateless, ws};

#[test]
fn json_that_means_two_things_or_has_no_bottom_is_refused() {
    let bridge = Bridge::start();
    let session = sessions::open(&bridge, "2025-11-25");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_python","arguments":{"code":"1","code":"2"}}}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{deep}}}"#),
        deep,
        "{".into(),
        String::new(),
        "\u{feff}{}".into(),
    ];
    for body in &bodies {
        let request = Request::new("POST", "/mcp").with("Content-Type", "application/json").session(&session);
        let answer = request.body(body.as_bytes()).ask(bridge.port);
        assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (400, json!(-32700)), "{:.80}", body);
    }
    for body in [
        json!({}),
        json!(7),
        json!([]),
        json!({"jsonrpc": "2.0", "id": null, "method": "ping"}),
        json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": {}, "method": "ping"}),
    ] {
        let answer = Request::new("POST", "/mcp").json(&body).session(&session).ask(bridge.port);
        assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (400, json!(-32600)), "{body}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"] {
        let answer = Request::new("POST", "/tools/call").json(&json!({})).with("Content-Type", kind).ask(bridge.port);
        assert_eq!((answer.status, answer.code().as_str()), (415, "http.media_type"), "{kind}");
    }
    lives(&bridge);
}

/// A list in a list, so many deep.
fn deep(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// Messages that no two readers read alike, or that nobody reads to the end; as a call of `stub__go`, where they are one at all.
fn messages() -> Vec<String> {
    let call = |id: &str, params: &str| format!(r#"{{"jsonrpc":"2.0",{id},"method":"tools/call","params":{params}}}"#);
    let id = r#""id":9"#;
    vec![
        call(r#""id":9,"id":10"#, r#"{"name":"stub__go"}"#),
        call(r#""id":9,"method":"ping""#, r#"{"name":"stub__go"}"#),
        call(r#""id":9,"\u006dethod":"ping""#, r#"{"name":"stub__go"}"#),
        call(id, r#"{"name":"stub__go","name":"stub__fail"}"#),
        call(id, r#"{"name":"stub__go","arguments":{},"arguments":{"a":1}}"#),
        call(id, r#"{"name":"stub__go","arguments":{"a":1,"a":2}}"#),
        call(id, r#"{"name":"stub__go","arguments":{"a":1,"\u0061":2}}"#),
        call(id, r#"{"name":"stub__go","arguments":{"a":[{"b":{"c":1,"c":2}}]}}"#),
        call(id, r#"{"name":"stub__go","_meta":{"x":1,"x":2}}"#),
        // 129 with the three around them.
        call(id, &format!(r#"{{"name":"stub__go","arguments":{{"a":{}}}}}"#, deep(126))),
        call(id, &deep(128)),
        deep(129),
    ]
}

/// What no reader doubts: 127 deep with the three around them.
fn plain() -> Value {
    let nested: Value = serde_json::from_str(&deep(124)).expect("JSON");
    json!({"name": "stub__go", "arguments": {"a": nested}})
}

fn post(path: &str, body: &str) -> Request {
    Request::new("POST", path).with("Content-Type", "application/json").body(body.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_what_another_reader_may_read_differently() {
    let bridge = Bridge::with(home(), &["--expose", "both"], &[]);
    let session = sessions::open(&bridge, "2025-11-25");
    let mut stream = Request::new("GET", "/sse").with("Accept", "text/event-stream").open(bridge.port);
    let place = stream.next("data: ").expect("the endpoint");
    let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2024-11-05")});
    assert_eq!(post(&place, &first.to_string()).ask(bridge.port).status, 202);
    assert_eq!(stream.message()["id"], 1);
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(&place, &ready.to_string()).ask(bridge.port).status, 202);
    let mut socket = ws::connect(&bridge, &[]).await.expect("a socket");
    ws::say(&mut socket, ws::request(1, "initialize", hello("2025-11-25"))).await;
    ws::answer(&mut socket, 1).await;
    ws::say(&mut socket, ready).await;

    let refused = |what: &str, answer: Answer, message: &str| {
        assert_eq!((answer.status, answer.code().as_str()), (400, "http.body"), "{what}: {message:.200}");
    };
    for message in messages() {
        refused("session", post("/mcp", &message).session(&session).ask(bridge.port), &message);
        let alone = stateless::request("tools/call", json!({"name": "stub__go"})).body(message.as_bytes());
        refused("alone", alone.ask(bridge.port), &message);
        refused("sse", post(&place, &message).ask(bridge.port), &message);
        ws::put(&mut socket, &message).await;
        let answer: Value = serde_json::from_str(&ws::text(&mut socket).await).expect("JSON");
        assert_eq!(answer["error"]["data"]["code"], "http.body", "WebSocket: {message:.200}");
    }
    for call in [
        r#"{"name":"stub__go","name":"stub__fail"}"#.to_owned(),
        r#"{"name":"stub__go","arguments":{},"arguments":{"a":1}}"#.to_owned(),
        r#"{"name":"stub__go","arguments":{"a":1,"\u0061":2}}"#.to_owned(),
        format!(r#"{{"name":"stub__go","arguments":{{"a":{}}}}}"#, deep(127)),
        deep(129),
    ] {
        refused("REST", post("/tools/call", &call).ask(bridge.port), &call);
    }

    // Each goes on, and takes what is plain.
    let message = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": plain()});
    let went = |answer: &Value| assert_eq!(answer["result"]["content"][0]["text"], "gone", "{answer:.300}");
    went(&Request::rpc(9, "tools/call", plain()).session(&session).ask(bridge.port).json());
    assert_eq!(post(&place, &message.to_string()).ask(bridge.port).status, 202);
    went(&stream.message());
    ws::say(&mut socket, message).await;
    went(&ws::answer(&mut socket, 9).await);
    assert_eq!(bridge.post("/tools/call", &plain()).json()["content"][0]["text"], "gone");
    lives(&bridge);
}
