//! How a conversation begins: what went well is remembered, and what is no answer is refused by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mcp_bridge::upstream::config::Era;
use serde_json::json;

use super::{HTTP, HttpStub, call, modern, plain, reply, result, status, stub, upstreams};

/// A server that can be of either era, and can break off.
struct Turning {
    newer: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    server: HttpStub,
}

async fn turning(newer: bool) -> Turning {
    let (newer, gone) = (Arc::new(AtomicBool::new(newer)), Arc::new(AtomicBool::new(false)));
    let (is_newer, is_gone) = (newer.clone(), gone.clone());
    let server = HttpStub::start(move |request| match request.asks() {
        "tools/call" if is_gone.swap(false, Ordering::SeqCst) => status(410),
        _ if is_newer.load(Ordering::SeqCst) => modern(request),
        _ => plain(request),
    })
    .await;
    Turning { newer, gone, server }
}

#[tokio::test]
async fn the_era_that_went_well_is_tried_first_and_then_the_other() {
    for newer in [true, false] {
        let turning = turning(newer).await;
        let upstreams = upstreams(turning.server.config(HTTP));
        let asked = |method| turning.server.asked(method).len();
        call(&upstreams).await.expect("a result");
        let (discover, initialize) = (asked("server/discover"), asked("initialize"));
        assert_eq!((discover, initialize), (1, usize::from(!newer)));

        // The next connection goes straight to what is known to work.
        turning.gone.store(true, Ordering::SeqCst);
        call(&upstreams).await.expect_err("it broke off");
        call(&upstreams).await.expect("a result");
        assert_eq!(asked("server/discover"), discover + usize::from(newer), "newer: {newer}");
        assert_eq!(asked("initialize"), initialize + usize::from(!newer), "newer: {newer}");

        // Another version of the server was started meanwhile.
        turning.newer.store(!newer, Ordering::SeqCst);
        turning.gone.store(true, Ordering::SeqCst);
        call(&upstreams).await.expect_err("it broke off");
        call(&upstreams).await.expect("a result in the other era");
    }
}

#[tokio::test]
async fn a_process_is_asked_first_in_the_era_that_went_well() {
    let script = json!({"initialize": {"error": {"code": -32601, "message": "?"}}, "discover": true, "calls": {"die": {"crash": 1}, "t": {"text": "hi"}}});
    let server = stub::Stub::new("s", script);
    let upstreams = server.upstreams();
    let call = |tool| upstreams.call("s", tool, stub::no_arguments(), stub::soon());
    call("t").await.expect("a result");
    assert_eq!((server.starts(), server.received("initialize").len()), (2, 1), "the first process was asked in vain");
    call("die").await.expect_err("it died");
    call("t").await.expect("a result");
    assert_eq!((server.starts(), server.received("initialize").len()), (3, 1));
}

#[tokio::test]
async fn a_revision_that_nobody_knows_is_refused() {
    let server = HttpStub::start(|request| match request.asks() {
        "initialize" => result(
            request,
            json!({"protocolVersion": "1999-01-01", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}),
        ),
        _ => plain(request),
    })
    .await;
    let mut config = server.config(HTTP);
    config.era = Era::Initialize;
    let error = call(&upstreams(config)).await.expect_err("no known revision");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.unknown_version", false), "{error}");
    let text = error.to_string();
    assert!(text.contains("\"1999-01-01\"") && text.contains("2025-11-25") && text.contains("2026-07-28"), "{text}");
    assert!(server.asked("tools/call").is_empty());
}

#[tokio::test]
async fn a_greeting_over_the_limit_is_said_to_be_too_large() {
    let filler = "x".repeat(mcp_bridge::upstream::MAX_LINE);
    let server = HttpStub::start(move |request| match request.asks() {
        "initialize" => {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"instructions":"{filler}"}}}}"#, request.body["id"]);
            reply(200, "application/json", body)
        }
        _ => plain(request),
    })
    .await;
    let over_http = call(&upstreams(server.config(HTTP))).await.expect_err("too large");
    let process = stub::Stub::new("s", json!({"initialize": {"size": mcp_bridge::upstream::MAX_LINE}}));
    let over_stdio = process.upstreams().tools("s").await.expect_err("too large");
    for error in [over_http, over_stdio] {
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.handshake", false), "{error}");
        assert!(error.to_string().contains("the server's answer is too large: 6710"), "{error}");
    }
}
