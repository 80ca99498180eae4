//! What goes wrong with HTTP itself: statuses, redirects, types of content, streams that are taken up again.

use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_bridge::gateway::Gateway;
use mcp_bridge::upstream::Upstreams;
use mcp_bridge::upstream::config::{Policy, RemoteKind, Secret, Transport};

use crate::case::{Case, START, check, gateway, row, used, works_again};
use crate::http_stub::Request;
use crate::peer::{Act, Peer, Wire, plain};
use crate::stub::{no_arguments, options, soon};

const HTTP: &[Wire] = &[Wire::Http];
const SSE: &[Wire] = &[Wire::Sse];
const BOTH: &[Wire] = &[Wire::Http, Wire::Sse];

/// An answer of HTTP with these lines of a head, and this body.
fn answer(head: &str, body: &str) -> Act {
    Act::Bytes(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
}

fn cases() -> Vec<Case> {
    const CALL: &str = "tools/call";
    const STATUS: &str = "upstream.http_status";
    const DENIED: &str = "upstream.unauthorized";
    const NOT_MCP: &str = "upstream.not_mcp, perhaps";
    let sized = |kind: &str, body: &str| {
        answer(&format!("200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}", body.len()), body)
    };
    let page = "<html><title>Log in</title>";
    let elsewhere = "302 Found\r\nlocation: https://login.example/?next=%2Fmcp";
    let unlimited = "429 Too Many Requests\r\nretry-after: 30";
    let expired = "401 No\r\nwww-authenticate: Bearer error=\"invalid_token\"";
    let foreign = "403 No\r\ncontent-type: text/plain";
    let short = "200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000";
    let chunked = "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked";
    let endless = format!("200 OK\r\n{}", "x-filler: y\r\n".repeat(40_000));
    vec![
        row(
            "is not HTTP",
            HTTP,
            CALL,
            Act::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            "upstream.interrupted, perhaps",
            "",
        ),
        row("sends heads without an end", HTTP, CALL, answer(&endless, ""), "upstream.interrupted, perhaps", ""),
        row("sends a page", HTTP, CALL, sized("text/html", page), NOT_MCP, "`text/html`"),
        row("sends a page as JSON", HTTP, CALL, sized("application/json", page), NOT_MCP, "<html>"),
        row("sends a list", HTTP, CALL, sized("application/json", "[1, 2"), NOT_MCP, "[1, 2"),
        row("sends a part", HTTP, CALL, answer(short, "{"), "upstream.interrupted, perhaps", ""),
        row("sends a broken chunk", HTTP, CALL, answer(chunked, "xyz\r\n"), "upstream.interrupted, perhaps", ""),
        row(
            "redirects to another place",
            BOTH,
            CALL,
            answer(elsewhere, ""),
            STATUS,
            "redirects to https://login.example/…",
        ),
        row("redirects in a circle", BOTH, CALL, answer("307 Again\r\nlocation: ?1", ""), STATUS, "status 307"),
        row("redirects to nowhere", BOTH, CALL, answer("308 Again", ""), STATUS, "status 308"),
        row("wants fewer calls", BOTH, CALL, answer(unlimited, "slow down"), STATUS, "slow down (it asks to wait: 30)"),
        row("breaks inside", BOTH, CALL, answer("500 Oh", "at line 3"), "upstream.http_status, perhaps", "at line 3"),
        row("forgot us", HTTP, CALL, answer("400 Bad", "no valid session"), STATUS, "no valid session"),
        row("refuses a token that expired", BOTH, CALL, answer(expired, ""), DENIED, "invalid_token"),
        row(
            "refuses a host",
            BOTH,
            CALL,
            answer(foreign, "Access is only allowed at localhost:1"),
            DENIED,
            "host not allowed",
        ),
        row(
            "redirects at the start",
            SSE,
            "GET",
            answer(elsewhere, ""),
            STATUS,
            "redirects to https://login.example/…",
        ),
        row("sends a page at the start", SSE, "GET", sized("text/html", page), "upstream.not_mcp", "`text/html`"),
        row(
            "names no address",
            SSE,
            "GET",
            sized("text/event-stream", ": hello\n\n"),
            "upstream.not_mcp",
            "names no `endpoint`",
        ),
        row(
            "names an address elsewhere",
            SSE,
            "GET",
            sized("text/event-stream", "event: endpoint\ndata: https://elsewhere.example/messages\n\n"),
            "upstream.not_mcp",
            "another origin",
        ),
        row("hangs before its stream", SSE, "GET", Act::Silence, "upstream.start_timeout", "within 5 s"),
        row("greets for ever", SSE, "GET", Act::Flood("hello".into()), "upstream.not_mcp", "names no `endpoint`"),
        row("dies before its stream", SSE, "GET", Act::Die, "upstream.interrupted", ""),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_itself() {
    check(&cases(), Wire::Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sse_itself() {
    check(&cases(), Wire::Sse).await;
}

/// What proves who we are goes to the server's own origin, wherever it sends us.
#[tokio::test]
async fn headers_do_not_leak_by_redirects() {
    for wire in [Wire::Http, Wire::Sse] {
        let elsewhere = Peer::start(wire, |_: &Request| Act::Plain).await;
        for status in [301, 302, 303, 307, 308] {
            let to = format!("http://127.0.0.1:{}/mcp", elsewhere.port);
            let peer = Peer::start(wire, move |request: &Request| match request.asks() {
                "tools/call" => answer(&format!("{status} Elsewhere\r\nlocation: {to}"), ""),
                _ => Act::Plain,
            })
            .await;
            let mut config = peer.config("r");
            let Transport::Remote { headers, .. } = &mut config.transport else { panic!("remote") };
            headers.insert("Authorization".into(), Secret::new("Bearer hunter22"));
            let upstreams = Upstreams::new(vec![config], options());
            let outcome = upstreams.call("r", "t", no_arguments(), soon()).await;
            assert_eq!(outcome.expect_err("a redirect").code(), "upstream.http_status", "{status} over {wire:?}");
            assert_eq!(peer.asked("tools/call")[0].header("authorization"), "Bearer hunter22");
            upstreams.shutdown().await;
        }
        for method in ["GET", "tools/call", "initialize"] {
            assert!(elsewhere.asked(method).is_empty(), "{method} over {wire:?}");
        }
    }
}

/// A stream whose server wants it taken up again at once, and ends it each time.
#[tokio::test]
async fn a_stream_that_ends_at_once_is_not_taken_up_a_thousand_times_a_second() {
    const STREAM: &str = "200 OK\r\ncontent-type: text/event-stream";
    let again = |request: &Request| match request.asks() {
        "initialize" => {
            let body = plain(request).expect("an answer");
            let head = "200 OK\r\ncontent-type: application/json\r\nmcp-session-id: s";
            answer(&format!("{head}\r\ncontent-length: {}", body.len()), &body)
        }
        "GET" | "tools/call" => answer(STREAM, "retry: 0\nid: 1\ndata:\n\n"),
        _ => Act::Plain,
    };
    let peer = Peer::start(Wire::Http, again).await;
    let (gateway, upstreams) = gateway(&[("r", &peer)], START);
    let begun = std::time::Instant::now();
    let (found, _) = used(&gateway, "r", 2000).await;
    assert_eq!(found, "upstream.call_timeout, perhaps");
    // Two streams, that of the session and that of the call, and a first look at each.
    let found = peer.asked("GET").len();
    let most = 2 * (begun.elapsed().as_millis() / 100 + 1) as usize;
    assert!(found >= 2 && found <= most, "{found} looks, at most {most}");
    peer.mend();
    works_again("taken up again", &gateway, "r").await;
    upstreams.shutdown().await;
    peer.is_let_go().await;
}

/// A call that was on its way in a session which the server then forgot: it may have happened, so it is not made again.
#[tokio::test]
async fn a_call_of_a_forgotten_session_is_not_said_to_have_never_left() {
    let calls = AtomicUsize::new(0);
    let peer = Peer::start(Wire::Http, move |request: &Request| match request.asks() {
        "initialize" => {
            let body = plain(request).expect("an answer");
            let head = "200 OK\r\ncontent-type: application/json\r\nmcp-session-id: s";
            answer(&format!("{head}\r\ncontent-length: {}", body.len()), &body)
        }
        "tools/call" => match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Act::Silence,
            1 => answer("404 Not Found\r\ncontent-length: 0", ""),
            _ => Act::Plain,
        },
        _ => Act::Plain,
    })
    .await;
    let upstreams = Upstreams::new(vec![peer.config("r")], options());
    // The policy of every day, which repeats what never left.
    let gateway = Gateway::new(upstreams.clone(), &Policy { health_check_interval: None, ..Policy::default() });
    gateway.tools("r").await.expect("its list");
    let (hanging, next) = tokio::join!(gateway.call("r", "t", no_arguments(), soon()), async {
        peer.was_asked("tools/call", 1).await;
        gateway.call("r", "t", no_arguments(), soon()).await
    });
    next.expect("asked again in a new session");
    let error = hanging.expect_err("the session is gone");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.interrupted", true), "{error}");
    assert_eq!(peer.asked("tools/call").len(), 3, "the one that hung, and twice the other");
    upstreams.shutdown().await;
    peer.is_let_go().await;
}

/// An address that says nothing of its transport: Streamable HTTP is refused, and the older one hangs.
#[tokio::test]
async fn the_second_try_is_bounded_too() {
    let peer = Peer::start(Wire::Sse, |request: &Request| match request.method.as_str() {
        "POST" => answer("405 No\r\ncontent-length: 0", ""),
        _ => Act::Silence,
    })
    .await;
    let mut config = peer.config("r");
    let Transport::Remote { kind, .. } = &mut config.transport else { panic!("remote") };
    *kind = RemoteKind::Unstated;
    let options = mcp_bridge::upstream::Options { start_timeout: START, ..options() };
    let upstreams = Upstreams::new(vec![config], options);
    let error = upstreams.tools("r").await.expect_err("no answer");
    assert_eq!((error.code(), error.to_string().contains("405")), ("upstream.http_status", true), "{error}");
    peer.is_let_go().await;
}
