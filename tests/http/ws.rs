//! MCP over WebSocket.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::bridge::{Bridge, PATIENCE, eventually, home};
use super::raw::{Request, hello};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn connect(bridge: &Bridge, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let mut request = format!("ws://127.0.0.1:{}/ws", bridge.port).into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mcp"));
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a value"));
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

pub async fn say(socket: &mut Socket, message: Value) {
    put(socket, &message.to_string()).await;
}

/// Sends text, whether it is a message or not.
pub async fn put(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.expect("sending");
}

/// The text of the next message.
pub async fn text(socket: &mut Socket) -> String {
    // The bridge's own pings do not count as an answer.
    let message = async {
        loop {
            if let Message::Text(text) = socket.next().await.expect("open").expect("a frame") {
                return text.as_str().to_owned();
            }
        }
    };
    tokio::time::timeout(PATIENCE, message).await.expect("in time")
}

/// The next message that answers this id.
pub async fn answer(socket: &mut Socket, id: u64) -> Value {
    loop {
        let message: Value = serde_json::from_str(&text(socket).await).expect("JSON");
        if message["id"] == id {
            return message;
        }
    }
}

/// The code with which the bridge closes.
pub async fn closed(socket: &mut Socket) -> Option<u16> {
    while let Some(Ok(frame)) = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time") {
        if let Message::Close(frame) = frame {
            return frame.map(|frame| frame.code.into());
        }
    }
    None
}

pub fn request(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[tokio::test]
async fn who_sends_too_fast_is_read_more_slowly() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_RATE", "10")]);
    let begun = std::time::Instant::now();
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    say(&mut socket, request(0, "initialize", hello("2025-11-25"))).await;
    for id in 1..20 {
        say(&mut socket, request(id, "ping", json!({}))).await;
    }
    for _ in 0..20 {
        let answer: Value = serde_json::from_str(&text(&mut socket).await).expect("JSON");
        assert!(answer.get("result").is_some(), "{answer}");
    }
    // Ten at once, the connection itself among them, and ten a second.
    assert!(begun.elapsed().as_secs_f64() > 0.9, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_conversation_and_an_id_that_is_used_twice() {
    let bridge = Bridge::start();
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    say(&mut socket, request(1, "initialize", hello("2025-11-25"))).await;
    assert_eq!(answer(&mut socket, 1).await["result"]["serverInfo"]["name"], "mcp-bridge");
    say(&mut socket, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let wait = json!({"name": "run_python", "arguments": {"code": "await mcp_stub.wait()\n7"}});
    say(&mut socket, request(2, "tools/call", wait)).await;
    say(&mut socket, request(2, "ping", json!({}))).await;
    assert_eq!(answer(&mut socket, 2).await["error"]["data"]["code"], "http.id_in_use");
    say(&mut socket, request(3, "ping", json!({}))).await;
    assert_eq!(answer(&mut socket, 3).await["result"], json!({}));
    let _open = bridge.opens_the_gate();
    assert_eq!(answer(&mut socket, 2).await["result"]["structuredContent"]["result"], 7);
    for text in ["{", "[]", r#"{"a":1,"a":2}"#] {
        socket.send(Message::text(text)).await.expect("sending");
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("no answer to {text:?}") };
        assert!(text.contains("-32700") || text.contains("-32600"), "{text}");
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_text_ends_it_with_a_reason() {
    let mut bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_BODY", "100k")]);
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    // The end may come before all was sent.
    let _ = socket.send(Message::text("x".repeat(200_000))).await;
    assert_eq!(closed(&mut socket).await, Some(1009));
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    socket.send(Message::binary(vec![1, 2, 3])).await.expect("sending");
    assert_eq!(closed(&mut socket).await, Some(1003));
    // Whoever goes without a word is no error of ours.
    drop(connect(&bridge, &[]).await.expect("a socket"));
    let mut socket = connect(&bridge, &[]).await.expect("a socket");
    socket.close(None).await.expect("closing");
    assert!(!bridge.log().contains("ERROR"), "{}", bridge.log());
}

/// A client that sends so much of a message and not its end; and the code with which it is let go, if it is.
async fn half(bridge: &Bridge, length: usize) -> (Socket, Option<u16>) {
    let mut socket = connect(bridge, &[]).await.expect("a socket");
    let half = Frame::message("x".repeat(length), OpCode::Data(Data::Text), false);
    // The end may come before all was sent.
    let _ = socket.send(Message::Frame(half)).await;
    let _ = socket.send(Message::Ping("read".into())).await;
    while let Some(Ok(frame)) = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time") {
        match frame {
            Message::Pong(_) => return (socket, None),
            Message::Close(frame) => return (socket, frame.map(|frame| frame.code.into())),
            _ => {}
        }
    }
    // What was not read may take the reason with it.
    (socket, Some(1006))
}

#[tokio::test]
async fn many_long_messages_at_once_do_not_fill_the_memory() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_BODY", "1m")]);
    let mut hoarders = Vec::new();
    for _ in 0..4 {
        let (socket, code) = half(&bridge, 1 << 20).await;
        assert_eq!(code, None);
        hoarders.push(socket);
    }
    let mut refused = 1006;
    while refused == 1006 {
        refused = half(&bridge, 400 << 10).await.1.expect("there is no room");
    }
    assert_eq!(refused, 1013);
    // It is the same room that bodies have; what is short needs none.
    let long = [vec![b' '; (1 << 20) - 2], b"{}".to_vec()].concat();
    let asked = || Request::new("POST", "/mcp").body(&long).with("Content-Type", "application/json").ask(bridge.port);
    assert_eq!(asked().code(), "http.room");
    assert_eq!(half(&bridge, 1 << 10).await.1, None);
    assert_eq!(bridge.get("/health").status, 200);
    drop(hoarders);
    eventually("there is room", || Some(asked()).filter(|answer| answer.code() == "http.message"));
}

#[tokio::test]
async fn sockets_are_connections_as_long_as_they_are_open() {
    let env = [("MCP_BRIDGE_HTTP_CONNECTIONS", "20"), ("MCP_BRIDGE_HTTP_CONNECTIONS_PER_ADDRESS", "4")];
    let mut bridge = Bridge::with(home(), &[], &env);
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(connect(&bridge, &[]).await.expect("a socket"));
    }
    let metrics = bridge.get("/metrics").body;
    assert!(metrics.contains("mcp_bridge_http_connections 4\n"), "{metrics}");
    // The place of a connection is free when the bridge has seen its end.
    sockets.push(eventually_connected(&bridge).await);
    assert!(connect(&bridge, &[]).await.is_err(), "four are its share");
    bridge.logged("too many connections");
    drop(sockets.pop());
    sockets.push(eventually_connected(&bridge).await);
}

async fn eventually_connected(bridge: &Bridge) -> Socket {
    let connected = async {
        loop {
            if let Ok(socket) = connect(bridge, &[]).await {
                return socket;
            }
        }
    };
    tokio::time::timeout(PATIENCE, connected).await.expect("there is a place")
}

#[tokio::test]
async fn each_socket_hears_that_the_bridge_ends() {
    let mut bridge = Bridge::start();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(connect(&bridge, &[]).await.expect("a socket"));
    }
    bridge.signal(nix::sys::signal::Signal::SIGTERM);
    for socket in &mut sockets {
        assert_eq!(closed(socket).await, Some(1001));
    }
    assert_eq!(bridge.ended(), Some(0));
}

#[tokio::test]
async fn it_is_guarded_and_ends_with_what_let_it_in() {
    let bridge = Bridge::start();
    let status = |result: Result<Socket, Error>| match result {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => 101,
    };
    assert_eq!(status(connect(&bridge, &[("Origin", "http://evil.example.com")]).await), 403);
    assert_eq!(status(connect(&bridge, &[("Host", "evil.example.com")]).await), 403);
    assert_eq!(status(connect(&bridge, &[("Sec-WebSocket-Protocol", "graphql")]).await), 400);
    match connect(&bridge, &[("Sec-WebSocket-Version", "8")]).await {
        Err(Error::Http(answer)) => {
            let wants = ["sec-websocket-version", "upgrade"].map(|name| answer.headers()[name].to_str().expect("text"));
            assert_eq!((answer.status().as_u16(), wants), (426, ["13", "websocket"]));
        }
        other => panic!("{other:?}"),
    }
    let mut anonymous = connect(&bridge, &[]).await.expect("a socket");
    let token = bridge.token("ann");
    assert_eq!(closed(&mut anonymous).await, Some(1008));
    assert_eq!(status(connect(&bridge, &[]).await), 401);
    assert_eq!(status(connect(&bridge, &[("Authorization", &format!("Bearer {token}"))]).await), 101);
}
