//! Requests that no client of good will sends. After each, others are served as before.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::bridge::{Bridge, eventually, home};
use super::ending::{over_https, tls};
use super::raw::{Request, connect, hello, send};
use super::sessions::open;

pub fn lives(bridge: &Bridge) {
    assert_eq!(bridge.get("/health").status, 200);
}

#[test]
fn heads_and_bodies_have_bounds() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_BODY", "100k")]);
    let get = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(200_000));
    for headers in [many, long] {
        let answer = send(bridge.port, format!("{get}{headers}\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{}", &answer[..answer.len().min(200)]);
    }
    let target =
        send(bridge.port, format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000)).as_bytes());
    assert!(target.starts_with("HTTP/1.1 4") || target.is_empty());

    let large = json!({"name": "stub__echo", "arguments": {"text": "x".repeat(200_000)}});
    for path in ["/tools/call", "/mcp"] {
        let answer = Request::new("POST", path).json(&large).ask(bridge.port);
        assert_eq!((answer.status, answer.code().as_str()), (413, "http.too_large"), "{path}");
    }
    // Announced by nothing, counted as it comes.
    let mut stream = connect(bridge.port);
    let head =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 50_000, " ".repeat(50_000));
    let _ = stream.write_all(head.as_bytes());
    for _ in 0..3 {
        let _ = stream.write_all(chunk.as_bytes());
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
    lives(&bridge);
}

#[test]
fn many_long_bodies_at_once_do_not_fill_the_memory() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_BODY", "1m")]);
    let long = [vec![b' '; (1 << 20) - 2], b"{}".to_vec()].concat();
    let asked = || Request::new("POST", "/mcp").body(&long).with("Content-Type", "application/json").ask(bridge.port);
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        long.len()
    );
    // Each keeps its last byte. Those who come while another body is read may be refused: as many come as are needed.
    let mut hoarders = Vec::new();
    let refused = eventually("there is no room", || {
        let mut stream = connect(bridge.port);
        stream.write_all(&[head.as_bytes(), &long[1..]].concat()).expect("writing");
        hoarders.push(stream);
        Some(asked()).filter(|answer| answer.status == 503)
    });
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("http.room", Some("1")));
    lives(&bridge);
    drop(hoarders);
    eventually("there is room", || Some(asked()).filter(|answer| answer.code() == "http.message"));
}

#[test]
fn a_thousand_that_wait_hold_up_nobody_and_the_slow_are_let_go() {
    let bridge = Bridge::start();
    let (secure, config) = over_https();
    // This process has descriptors for so many, or raises them.
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a limit");
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard.min(4096), hard).expect("a limit");
    let mut idle: Vec<TcpStream> = (0..1000).map(|_| connect(bridge.port)).collect();
    for slow in idle.iter_mut().step_by(2) {
        slow.write_all(b"GET /health HTTP/1.1\r\nHost: local").expect("writing");
    }
    for _ in 0..20 {
        lives(&bridge);
    }
    let (mut greeted, mut answered) = (connect(secure.port), connect(bridge.port));
    tls(&config).complete_io(&mut greeted).expect("a handshake");
    answered.write_all(b"GET /health?live HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("writing");
    // Whoever never ends its head is cut off, with an answer or without; so is whoever says nothing, from the first or from then on.
    let waits = [idle.swap_remove(0), idle.swap_remove(1), connect(secure.port), greeted, answered];
    let rests = waits.map(|mut stream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| String::from_utf8_lossy(&rest).into_owned()).expect("an end")
    });
    let [head, silent, no_tls, _, answer] = rests;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(silent.is_empty() && no_tls.is_empty(), "{silent} {no_tls}");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
    lives(&bridge);
}

#[test]
fn a_session_cannot_be_guessed() {
    let bridge = Bridge::start();
    let mine = open(&bridge, "2025-11-25");
    let ask = |id: &str| Request::rpc(2, "ping", json!({})).session(id).ask(bridge.port).status;
    let other = open(&bridge, "2025-11-25");
    let common = mine.chars().zip(other.chars()).filter(|(one, two)| one == two).count();
    assert!(mine.len() == 32 && common < 16, "{mine} {other}");
    for guess in ["", "0", "null", "../..", &mine[..31], &mine.to_uppercase(), &format!("{mine}0"), "%00"] {
        assert_eq!(ask(guess), 404, "{guess:?}");
    }
    assert_eq!(ask(&mine), 200);
}

#[test]
fn an_address_that_asks_too_fast_is_told_to_wait() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_RATE", "3")]);
    let answers: Vec<_> = (0..30).map(|_| bridge.get("/health?live")).collect();
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one is refused");
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("http.rate", Some("1")));
    assert_eq!(answers[0].status, 200);
}

/// Connections from another address of this machine, and how many of them were kept.
fn connected_from(address: [u8; 4], port: u16, count: usize) -> (Vec<TcpStream>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let all: Vec<TcpStream> = runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..count {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind((address, 0).into()).expect("an address of this machine");
            let stream = socket.connect(([127, 0, 0, 1], port).into()).await.expect("a connection");
            all.push(stream.into_std().expect("a stream"));
        }
        all
    });
    let mut kept = 0;
    for mut stream in &all {
        stream.set_nonblocking(false).expect("waiting");
        stream.set_read_timeout(Some(super::bridge::PATIENCE)).expect("a timeout");
        let _ = stream.write_all(b"GET /health?live HTTP/1.1\r\nHost: localhost\r\n\r\n");
        kept += usize::from(stream.read(&mut [0; 12]).is_ok_and(|length| length > 0));
    }
    (all, kept)
}

#[test]
fn one_address_does_not_take_all_connections() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_CONNECTIONS", "20")]);
    let (greedy, kept) = connected_from([127, 0, 0, 2], bridge.port, 50);
    assert_eq!(kept, 10, "half of them");
    for _ in 0..5 {
        lives(&bridge);
    }
    drop(greedy);
    eventually("they are given back", || (connected_from([127, 0, 0, 2], bridge.port, 1).1 == 1).then_some(()));

    let env = [("MCP_BRIDGE_HTTP_CONNECTIONS", "20"), ("MCP_BRIDGE_HTTP_CONNECTIONS_PER_ADDRESS", "3")];
    let bridge = Bridge::with(home(), &[], &env);
    let few = connected_from([127, 0, 0, 2], bridge.port, 10);
    let others = connected_from([127, 0, 0, 3], bridge.port, 10);
    assert_eq!((few.1, others.1), (3, 3));
}

#[test]
fn one_caller_does_not_take_all_sessions() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_SESSIONS", "4")]);
    let (ann, bob) = (bridge.token("ann"), bridge.token("bob"));
    let begin = |token: &str| {
        let answer = Request::rpc(1, "initialize", hello("2025-11-25")).bearer(token).ask(bridge.port);
        answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    let lives = |token: &str, session: &str| {
        Request::rpc(2, "ping", json!({})).bearer(token).session(session).ask(bridge.port).status == 200
    };
    let anns: Vec<String> = (0..4).map(|_| begin(&ann)).collect();
    // In use, all of them.
    let get = |session: &String| Request::new("GET", "/mcp").with("Accept", "text/event-stream").session(session);
    let _reading: Vec<_> = anns.iter().map(|session| get(session).bearer(&ann).open(bridge.port)).collect();
    let bobs = [begin(&bob), begin(&bob)];
    assert!(bobs.iter().all(|session| lives(&bob, session)));
    assert_eq!(anns.iter().filter(|session| lives(&ann, session)).count(), 2);
    // Nobody has more than the newcomer now: it makes room of its own, where none is in use.
    let third = begin(&bob);
    assert!(lives(&bob, &third) && !lives(&bob, &bobs[0]), "its own that was unused longest");
    assert_eq!(anns.iter().filter(|session| lives(&ann, session)).count(), 2);
    let refused = Request::rpc(1, "initialize", hello("2025-11-25")).bearer(&ann).ask(bridge.port);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("http.sessions", Some("1")));
}

#[test]
fn a_connection_too_many_is_closed_at_once() {
    let mut bridge = Bridge::with(
        home(),
        &[],
        &[("MCP_BRIDGE_HTTP_CONNECTIONS", "2"), ("MCP_BRIDGE_HTTP_CONNECTIONS_PER_ADDRESS", "2")],
    );
    let mut held = [connect(bridge.port), connect(bridge.port)];
    // Taken in the order of coming: when the third is closed, the others have their places.
    let mut rest = Vec::new();
    let closed = connect(bridge.port).read_to_end(&mut rest);
    assert!(rest.is_empty() && closed.map_or(true, |read| read == 0), "{rest:?}");
    bridge.logged("too many connections");
    held[0].write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("writing");
    held[0].read_to_end(&mut rest).expect("an answer");
    assert!(rest.starts_with(b"HTTP/1.1 200"));
    eventually("there is a place again", || {
        let answer = send(bridge.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
}
