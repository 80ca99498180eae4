//! Requests whose end two readers would see at different places. A proxy before the bridge may be the other reader: whatever it takes for
//! the rest of one request, the bridge must never answer as another.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::attack::lives;
use super::bridge::Bridge;
use super::raw::connect;

const HEAD: &str = "POST /tools/call HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const HIDDEN: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// What only the answer to the hidden request has in it.
const SERVED: &str = "mcp_bridge_http_requests";
/// A connection that is merely idle stays for 30 s.
const AT_ONCE: Duration = Duration::from_secs(20);

/// What is answered to these bytes on a connection that is then closed at once.
#[track_caller]
fn closes_after(bridge: &Bridge, bytes: &str) -> String {
    let mut stream = connect(bridge.port);
    stream.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
    stream.write_all(bytes.as_bytes()).expect("writing");
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(error.kind() != ErrorKind::WouldBlock, "{bytes:?}: the connection stays open");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer, which is a refusal; then the connection is closed.
#[track_caller]
fn is_refused(bridge: &Bridge, bytes: &str) -> String {
    let answer = closes_after(bridge, bytes);
    assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "), "{bytes:?}: {answer:?}");
    assert!(answer.matches("HTTP/1.").count() == 1 && !answer.contains(SERVED), "{bytes:?}: {answer}");
    answer
}

#[test]
fn heads_that_two_readers_read_differently_are_refused() {
    let bridge = Bridge::start();
    let shapes = [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5;5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\r\n ,identity\r\n",
        " folded: header\r\n",
        "X: a\r\n\tfolded\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "Bad\u{0}Name: x\r\n",
        "No colon\r\n",
    ];
    for shape in shapes {
        is_refused(&bridge, &format!("{HEAD}{shape}\r\n0\r\n\r\n{HIDDEN}"));
    }
    // Where chunks are the last of several encodings, one reader may count the first.
    for shape in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
    ] {
        let answer = is_refused(&bridge, &format!("{HEAD}{shape}\r\n0\r\n\r\n{HIDDEN}"));
        assert!(answer.contains("http.framing"), "{shape:?}: {answer}");
    }
    // The older HTTP has no chunks.
    let older = HEAD.replace("HTTP/1.1", "HTTP/1.0");
    is_refused(
        &bridge,
        &format!("{older}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
    );
    lives(&bridge);
}

#[test]
fn chunks_that_two_readers_count_differently_are_refused() {
    let bridge = Bridge::start();
    for chunks in [
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        // One digit more than the largest number has.
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
    ] {
        let answer = is_refused(&bridge, &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}"));
        assert!(answer.contains("http.body"), "{chunks:?}: {answer}");
    }
    lives(&bridge);
}

#[test]
fn where_a_standard_says_how_to_read_it_that_is_done_and_nothing_is_hidden() {
    let bridge = Bridge::start();
    // Both lengths: the chunks count, and nothing may follow on that connection (RFC 9112, section 6.1).
    for both in
        ["Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"]
    {
        is_refused(&bridge, &format!("{HEAD}{both}\r\n0\r\n\r\n{HIDDEN}"));
    }
    // A line feed alone ends a line (section 2.2): the length after it counts.
    let length = HIDDEN.len();
    let fed = format!("{HEAD}Connection: close\r\nX: a\nContent-Length: {length}\r\n\r\n{HIDDEN}");
    let answer = closes_after(&bridge, &fed);
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains(SERVED), "{answer}");
    // A length that is said twice is one length (RFC 9110, section 8.6): what follows is the next request, to every reader.
    let next = "GET /health?live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = closes_after(&bridge, &format!("{HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{next}"));
    assert!(answer.contains("http.call") && answer.contains("\"live\""), "{answer}");
    // A body that nobody reads is no request, whatever is in it.
    let get = format!("GET /health?live HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{HIDDEN}{next}");
    let answer = closes_after(&bridge, &get);
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains(SERVED), "{answer}");
    let chunked =
        format!("{HEAD}Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=1\r\n{{}}\r\n0\r\nX: y\r\n\r\n");
    let answer = closes_after(&bridge, &chunked);
    assert!(answer.contains("http.call"), "chunks are read: {answer}");
    lives(&bridge);
}
