//! WebSockets that end, and how that is told.

use futures::StreamExt;
use mcp_bridge::upstream::config::RemoteKind;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{call, remote, upstreams};

/// A server that greets and then answers everything by closing the socket with this.
async fn closing(frame: Option<CloseFrame>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        // The first connection asks for the subprotocol, which this server does not know.
        let (stream, _) = listener.accept().await.expect("a connection");
        drop(tokio_tungstenite::accept_async(stream).await.expect("a WebSocket"));
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let asked: Value = serde_json::from_str(&text).expect("JSON");
            match asked["method"].as_str() {
                Some("initialize") => {
                    let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
                    let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string();
                    futures::SinkExt::send(&mut socket, Message::text(answer)).await.expect("sending");
                }
                Some("tools/call") => {
                    socket.close(frame.clone()).await.expect("closing");
                }
                _ => {}
            }
        }
    });
    url
}

#[tokio::test]
async fn the_code_and_the_reason_of_the_end_are_told() {
    let frame = |reason: &'static str| Some(CloseFrame { code: CloseCode::Library(4001), reason: reason.into() });
    for (frame, words) in [
        (frame("quota of hunter22 spent"), "the server closed it with code 4001: quota of *** spent"),
        (frame(""), "the server closed it with code 4001"),
        (None, "the server closed it"),
    ] {
        let url = closing(frame).await;
        let config = remote(&url, RemoteKind::Unstated, &[("x-key", "hunter22")]);
        let error = call(&upstreams(config)).await.expect_err("it was closed");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.interrupted", true), "{error}");
        assert!(error.to_string().ends_with(words), "{error}");
    }
}
