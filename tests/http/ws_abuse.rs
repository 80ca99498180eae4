//! WebSocket frames that no client of good will sends. After each, others are served as before.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use futures::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::attack::lives;
use super::bridge::{Bridge, PATIENCE, home};
use super::raw::{Request, hello};
use super::ws;

const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;
/// Without it more frames of the same message follow.
const LAST: u8 = 0x80;

/// The request that becomes a WebSocket.
pub fn upgrade() -> Request {
    let request = Request::new("GET", "/ws").with("Upgrade", "websocket").with("Connection", "Upgrade");
    request.with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// A frame as a client sends it. The mask is zero, which is one too.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let head = if payload.len() < 126 { vec![first, 0x80 | length[1]] } else { [&[first, 0xfe][..], &length].concat() };
    [&head[..], &[0; 4], payload].concat()
}

/// A WebSocket as bytes.
struct Raw(BufReader<TcpStream>);

impl Raw {
    #[track_caller]
    fn open(bridge: &Bridge) -> Self {
        let open = upgrade().open(bridge.port);
        assert_eq!(open.status, 101);
        Self(open.reader)
    }

    fn send(&mut self, bytes: &[u8]) {
        // The end may come before all was sent.
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// The next frame: what begins it, and its payload. `None`: there is no other.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).ok()?;
                u16::from_be_bytes(length)
            }
            127.. => panic!("a long frame, or a mask"),
            short => u16::from(short),
        };
        let mut payload = vec![0; length.into()];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    /// The code with which the bridge closes.
    fn closed(mut self) -> Option<u16> {
        let (_, payload) = std::iter::from_fn(|| self.next()).find(|(first, _)| *first == CLOSE)?;
        Some(u16::from_be_bytes([payload[0], payload[1]]))
    }
}

#[test]
fn frames_against_the_protocol_end_it_with_its_code() {
    let mut bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_BODY", "100k")]);
    let part = |first: u8| frame(first & !LAST, b"{");
    let get = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100));
    for (what, bytes, code) in [
        ("no mask", [&[TEXT, 2][..], b"{}"].concat(), 1002),
        ("the first reserved bit", frame(TEXT | 0x40, b"{}"), 1002),
        ("the second", frame(TEXT | 0x20, b"{}"), 1002),
        ("the third", frame(TEXT | 0x10, b"{}"), 1002),
        ("no kind of message", frame(0x83, b"{}"), 1002),
        ("no kind of control", frame(0x8b, b"{}"), 1002),
        ("a ping in parts", frame(PING & !LAST, b""), 1002),
        ("a ping that is long", frame(PING, &[b'x'; 126]), 1002),
        ("the rest of nothing", frame(LAST, b"{}"), 1002),
        ("a message within one", [part(TEXT), frame(TEXT, b"{}")].concat(), 1002),
        ("half a reason to close", frame(CLOSE, &[3]), 1002),
        ("a request of HTTP", get.into_bytes(), 1002),
        ("no UTF-8", frame(TEXT, b"\"\xff\""), 1007),
        ("half a pair of UTF-16", frame(TEXT, b"\"\xed\xa0\x80\""), 1007),
        ("half a character", [frame(TEXT & !LAST, b"\xe2\x82"), frame(LAST, b"")].concat(), 1007),
        ("a character in parts that do not fit", [frame(TEXT & !LAST, b"\xe2\x82"), frame(0, b"{")].concat(), 1007),
        ("bytes in parts", [frame(0x02, b"1"), frame(LAST, b"2")].concat(), 1003),
        ("more than there is memory", [&[TEXT, 0xff, 0x7f][..], &[0xff; 7], &[0; 4]].concat(), 1009),
        ("a length with a sign", [&[TEXT, 0xff][..], &[0xff; 8], &[0; 4]].concat(), 1009),
        // Each part is short, and a ping between them is no end.
        (
            "parts without end",
            [part(TEXT), [frame(PING, b""), frame(0, &[b' '; 10_000])].concat().repeat(11)].concat(),
            1009,
        ),
    ] {
        let mut socket = Raw::open(&bridge);
        socket.send(&bytes);
        assert_eq!(socket.closed(), Some(code), "{what}");
    }
    lives(&bridge);
    assert!(!bridge.log().contains("ERROR"), "{}", bridge.log());
}

#[test]
fn parts_with_pings_between_them_are_one_message() {
    let bridge = Bridge::start();
    let mut socket = Raw::open(&bridge);
    let hello = ws::request(1, "initialize", hello("2025-11-25")).to_string();
    let (begin, rest) = hello.split_at(20);
    socket.send(&[frame(TEXT & !LAST, begin.as_bytes()), frame(PING, b"between"), frame(0, b"")].concat());
    assert_eq!(socket.next(), Some((0x8a, b"between".to_vec())));
    socket.send(&frame(LAST, rest.as_bytes()));
    let (first, answer) = socket.next().expect("an answer");
    assert!(first == TEXT && String::from_utf8_lossy(&answer).contains("serverInfo"));
    // Who closes is answered with its own code.
    socket.send(&frame(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(socket.closed(), Some(1000));
}

/// The answers to pings wait in the bridge's memory until they are taken.
#[test]
fn who_sends_pings_and_takes_no_answer_is_not_read_any_further() {
    /// Several times what the system keeps of a connection on both its ways.
    const MOST: usize = 64 << 20;
    let bridge = Bridge::start();
    let mut socket = Raw::open(&bridge);
    let mut writer = socket.0.get_ref().try_clone().expect("a second hold");
    writer.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let flood = frame(PING, &[b'x'; 125]).repeat(500);
    let mut sent = 0;
    while let Ok(more) = writer.write(&flood[sent % flood.len()..]) {
        sent += more;
        assert!(sent < MOST, "pings are read without end");
    }
    lives(&bridge);
    // Who takes them is read again, to the last.
    writer.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let rest = [&flood[sent % flood.len()..], &frame(PING, b"last")].concat();
    let writing = std::thread::spawn(move || writer.write_all(&rest));
    let last = std::iter::from_fn(|| socket.next()).find(|(_, payload)| payload == b"last");
    assert_eq!(last.map(|(first, _)| first), Some(0x8a));
    writing.join().expect("the writer").expect("written");
}

#[tokio::test]
async fn requests_under_way_on_one_connection_are_bounded() {
    let bridge = Bridge::with(home(), &["--expose", "tools"], &[]);
    let mut socket = ws::connect(&bridge, &[]).await.expect("a socket");
    ws::say(&mut socket, ws::request(1000, "initialize", hello("2025-11-25"))).await;
    ws::answer(&mut socket, 1000).await;
    ws::say(&mut socket, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    for id in 0..256 {
        socket
            .feed(Message::text(ws::request(id, "tools/call", json!({"name": "stub__wait"})).to_string()))
            .await
            .expect("sending");
    }
    ws::say(&mut socket, ws::request(256, "ping", json!({}))).await;
    assert_eq!(ws::answer(&mut socket, 256).await["error"]["data"]["code"], "http.crowded");
    // Another connection has its own.
    let mut other = ws::connect(&bridge, &[]).await.expect("a socket");
    ws::say(&mut other, ws::request(1, "initialize", hello("2025-11-25"))).await;
    assert!(ws::answer(&mut other, 1).await.get("result").is_some());
    drop(socket);
    lives(&bridge);
}
