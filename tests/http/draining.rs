//! A bridge that was told to end: what is under way has its answer, however it came; nothing new is begun.

use std::fs::File;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Error;

use super::bridge::{Bridge, eventually, home};
use super::raw::{Answer, Request, hello};
use super::{sessions, stateless, ws};

/// A home whose server answers `wait` when a pipe has been opened: through the bridge nothing can be done any more by then.
fn home_with_a_pipe() -> (TempDir, PathBuf) {
    let home = home();
    let pipe = home.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
    let script = json!({"tools": ["wait"], "calls": {"wait": {"pipe": pipe, "text": "went"}}});
    std::fs::write(home.path().join("script.json"), script.to_string()).expect("a script");
    (home, pipe)
}

#[track_caller]
fn went(result: &Value) {
    assert_eq!(result["content"][0]["text"], "went", "{result}");
}

/// The result that a request was answered with, as JSON or, after a while, by an event.
#[track_caller]
fn result(answer: &Answer) -> Value {
    let message = answer.events().pop().unwrap_or_else(|| answer.json());
    message["result"].clone()
}

#[tokio::test]
async fn calls_under_way_have_their_answers_however_they_came() {
    let (home, pipe) = home_with_a_pipe();
    let mut bridge = Bridge::with(home, &["--expose", "both"], &[("MCP_BRIDGE_HTTP_GRACE", "60")]);
    let port = bridge.port;
    let session = sessions::open(&bridge, "2025-11-25");
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let mut stream = Request::new("GET", "/sse").with("Accept", "text/event-stream").open(port);
    let place = stream.next("data: ").expect("the endpoint");
    let post = |message: &Value| Request::new("POST", &place).json(message).ask(port);
    for message in [ws::request(1, "initialize", hello("2024-11-05")), ready.clone()] {
        assert_eq!(post(&message).status, 202);
    }
    assert_eq!(stream.message()["id"], 1);
    let mut socket = ws::connect(&bridge, &[]).await.expect("a socket");
    ws::say(&mut socket, ws::request(1, "initialize", hello("2025-11-25"))).await;
    ws::answer(&mut socket, 1).await;
    ws::say(&mut socket, ready).await;

    let call = json!({"name": "stub__wait"});
    let asked = |request: Request| std::thread::spawn(move || -> Answer { request.ask(port) });
    let program = json!({"name": "run_python", "arguments": {"code": "await mcp_stub.wait()"}});
    let in_session = asked(Request::rpc(2, "tools/call", program).session(&session));
    let events = Request::rpc(3, "tools/call", call.clone()).session(&session).with("Accept", "text/event-stream");
    let in_events = asked(events);
    let alone = asked(stateless::request("tools/call", call.clone()));
    let rest = asked(Request::new("POST", "/tools/call").json(&call));
    assert_eq!(post(&ws::request(2, "tools/call", call.clone())).status, 202);
    ws::say(&mut socket, ws::request(2, "tools/call", call)).await;
    let six = "mcp_bridge_requests_in_flight 6\n";
    eventually("all are under way", || bridge.get("/metrics").body.contains(six).then_some(()));

    bridge.signal(Signal::SIGTERM);
    eventually("it drains", || (bridge.get("/health").status == 503).then_some(()));
    // Nothing new is begun, on connections that are open or by others.
    let refused = |answer: Answer| assert_eq!((answer.status, answer.code().as_str()), (503, "http.draining"));
    refused(post(&ws::request(3, "ping", json!({}))));
    refused(bridge.get("/sse"));
    refused(Request::rpc(4, "ping", json!({})).session(&session).ask(port));
    ws::say(&mut socket, ws::request(3, "ping", json!({}))).await;
    assert_eq!(ws::answer(&mut socket, 3).await["error"]["data"]["code"], "http.draining");
    let Err(Error::Http(another)) = ws::connect(&bridge, &[]).await else { panic!("a socket was opened") };
    assert_eq!(another.status(), 503);
    // What is no request may come: a question could wait for its answer.
    let nothing = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}});
    assert_eq!(post(&nothing).status, 202);
    assert!(bridge.get("/metrics").body.contains(six), "they are still under way");

    let _open = File::options().read(true).write(true).open(pipe).expect("the pipe");
    let said = |asked: std::thread::JoinHandle<Answer>| asked.join().expect("an answer");
    went(&said(rest).json());
    went(&result(&said(alone)));
    went(&result(&said(in_events)));
    let ran = result(&said(in_session));
    assert_eq!(ran["structuredContent"]["status"], "success", "{ran}");
    went(&ws::answer(&mut socket, 2).await["result"]);
    assert_eq!(ws::closed(&mut socket).await, Some(1001));
    let answer = stream.message();
    assert_eq!(answer["id"], 2);
    went(&answer["result"]);
    while stream.next("").is_some() {}
    assert_eq!(bridge.ended(), Some(0));
}
