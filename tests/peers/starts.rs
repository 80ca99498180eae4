//! What goes wrong before a server is ready.

use crate::case::{Case, check, row};
use crate::peer::{Act, EVERY, Wire};

const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"flood"}}"#;

fn cases() -> Vec<Case> {
    let say = |text: &str| Act::Say(vec![text.to_owned()]);
    let error = say(r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32000,"message":"no licence"}}"#);
    let nothing = say(r#"{"jsonrpc":"2.0","id":$ID,"result":{"hello":1}}"#);
    let other = say(
        r#"{"jsonrpc":"2.0","id":4711,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"p","version":"1"}}}"#,
    );
    let flood = Act::Flood(NOTE.into());
    let noise = Act::Flood("no JSON, and no end".into());
    vec![
        row("refuses", EVERY, "initialize", error, "upstream.handshake", "error -32000: no licence"),
        row("answers nonsense", EVERY, "initialize", nothing, "upstream.handshake", "lacks protocolVersion"),
        row("answers others", EVERY, "initialize", other, "upstream.handshake", "answered request 4711"),
        row("hangs", EVERY, "initialize", Act::Silence, "upstream.start_timeout", "within 5 s"),
        row("hangs in its answer", EVERY, "initialize", Act::Stuck, "upstream.start_timeout", "within 5 s"),
        row("dies", EVERY, "initialize", Act::Die, "closed", ""),
        row("dies in its answer", EVERY, "initialize", Act::Half, "closed", ""),
        row("notifies for ever", EVERY, "initialize", flood, "upstream.start_timeout", "within 5 s"),
        row("babbles for ever", EVERY, "initialize", noise, "upstream.start_timeout", "within 5 s"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_over_stdio() {
    check(&cases(), Wire::Stdio).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_over_http() {
    check(&cases(), Wire::Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_over_sse() {
    check(&cases(), Wire::Sse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_over_websocket() {
    check(&cases(), Wire::WebSocket).await;
}
