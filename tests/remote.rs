//! Connections to remote servers, against servers of raw bytes: what arrives, what is sent, and what every failure means.

#[path = "remote/changes.rs"]
mod changes;
#[path = "remote/eras.rs"]
mod eras;
#[path = "support/http_stub.rs"]
mod http_stub;
#[path = "remote/logins.rs"]
mod logins;
#[path = "remote/secrets.rs"]
mod secrets;
#[path = "remote/sockets.rs"]
mod sockets;
#[path = "support/stub.rs"]
mod stub;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use http_stub::{HttpStub, Reply, Request, event, plain, remote, reply, result, status};
use mcp_bridge::upstream::config::{Access, Era, RemoteKind, ServerConfig, Transport};
use mcp_bridge::upstream::{Kind, Options, UpstreamError, Upstreams};
use serde_json::{Value, json};
use stub::{in_ms, no_arguments, options, soon};

const HTTP: RemoteKind = RemoteKind::StreamableHttp;

fn upstreams(config: ServerConfig) -> Upstreams {
    Upstreams::new(vec![config], options())
}

async fn call(upstreams: &Upstreams) -> Result<Value, UpstreamError> {
    let raw = upstreams.call("r", "t", no_arguments(), soon()).await?;
    Ok(serde_json::from_str(raw.get()).expect("JSON"))
}

/// A plain server whose calls are answered by `calls`, and the outcome of one call.
async fn one_call(
    calls: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Result<Value, UpstreamError>, HttpStub) {
    let server = HttpStub::start(move |request| match request.asks() {
        "tools/call" => calls(request),
        _ => plain(request),
    })
    .await;
    let upstreams = upstreams(server.config(HTTP));
    (call(&upstreams).await, server)
}

// What arrives.

#[tokio::test]
async fn a_result_survives_letter_by_letter_as_json_as_event_and_in_a_batch() {
    const TEXT: &str =
        r#"{"content":[{"type":"hologram","x":1.0}],"big":123456789012345678901234567890,"z":"a\u0301"}"#;
    let message = |request: &Request| format!(r#"{{"jsonrpc":"2.0","id":{},"result":{TEXT}}}"#, request.body["id"]);
    type Form = fn(String) -> Reply;
    let forms: [(&str, Form); 4] = [
        ("json", |message| reply(200, "application/json; charset=utf-8", message)),
        ("event", |message| event(&message)),
        ("batch", |message| {
            let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
            reply(200, "application/json", format!("[{log},{message}]"))
        }),
        ("events", |message| {
            let odd = format!("\u{feff}: hi\r\nretry\r\nodd: 1\r\n\r\nevent: ping\ndata: no\n\ndata: {message}\n\n");
            reply(200, "text/event-stream", odd)
        }),
    ];
    for (name, form) in forms {
        let server = HttpStub::start(move |request| match request.asks() {
            "tools/call" => form(message(request)),
            _ => plain(request),
        })
        .await;
        let raw = upstreams(server.config(HTTP)).call("r", "t", no_arguments(), soon()).await.expect(name);
        assert_eq!(raw.get(), TEXT, "{name}");
    }
}

#[tokio::test]
async fn a_server_of_the_older_era_is_asked_as_it_knows_it() {
    // What they say to `server/discover`: nothing, an error of the protocol, or a status with anything in it.
    let refusals: [fn(&Request) -> Reply; 5] = [
        |request| result(request, json!({})),
        |request| {
            let error = json!({"jsonrpc": "2.0", "id": request.body["id"], "error": {"code": -32601, "message": "?"}});
            reply(200, "application/json", error.to_string())
        },
        |_| {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "No session"}});
            reply(400, "application/json", error.to_string())
        },
        |_| reply(404, "text/html", "<h1>Not Found</h1>"),
        |_| status(405),
    ];
    for refuse in refusals {
        let server = HttpStub::start(move |request| match request.asks() {
            "server/discover" => refuse(request),
            _ => plain(request),
        })
        .await;
        let upstreams = upstreams(server.config(HTTP));
        assert_eq!(upstreams.tools("r").await.expect("tools").tools[0].name, "t");
        call(&upstreams).await.expect("a result");
        assert_eq!(server.asked("initialize").len(), 1);
        let sent = &server.asked("tools/call")[0];
        assert_eq!(sent.header("mcp-protocol-version"), "2025-11-25");
        assert!(!sent.body.to_string().contains("io.modelcontextprotocol"), "{}", sent.body);
    }
}

/// A server that only knows the era without `initialize`.
fn modern(request: &Request) -> Reply {
    match request.asks() {
        "server/discover" => result(
            request,
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete", "ttlMs": 0,
                "cacheScope": "private", "serverInfo": {"name": "s", "version": "1"}}),
        ),
        "initialize" => {
            let error = json!({"jsonrpc": "2.0", "id": request.body["id"], "error": {"code": -32601, "message": "?"}});
            reply(404, "application/json", error.to_string())
        }
        _ => plain(request),
    }
}

#[tokio::test]
async fn a_server_of_the_newer_era_gets_all_it_needs_with_each_request() {
    let server = HttpStub::start(modern).await;
    let upstreams = upstreams(server.config(HTTP));
    call(&upstreams).await.expect("a result");
    assert!(server.asked("initialize").is_empty());
    let sent = &server.asked("tools/call")[0];
    assert_eq!(sent.header("mcp-protocol-version"), "2026-07-28");
    assert_eq!((sent.header("mcp-method"), sent.header("mcp-name")), ("tools/call", "t"));
    let meta = &sent.body["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28", "{meta}");
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "mcp-bridge", "{meta}");
}

#[tokio::test]
async fn the_entry_can_name_the_era() {
    let server = HttpStub::start(plain).await;
    let mut config = server.config(HTTP);
    config.era = Era::Initialize;
    upstreams(config).tools("r").await.expect("tools");
    assert!(server.asked("server/discover").is_empty());

    let server = HttpStub::start(modern).await;
    let mut config = server.config(HTTP);
    config.era = Era::Discover;
    upstreams(config).tools("r").await.expect("tools");
}

#[tokio::test]
async fn a_server_behind_a_unix_socket_is_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s.sock");
    let server = HttpStub::at(&socket, plain);
    let upstreams = upstreams(remote(&format!("{}:/a/mcp", server.url), RemoteKind::Unstated, &[]));
    call(&upstreams).await.expect("a result");
    assert_eq!(server.asked("tools/call")[0].path, "/a/mcp");
}

#[tokio::test]
async fn a_hundred_calls_go_side_by_side() {
    let server = HttpStub::start(plain).await;
    let upstreams = upstreams(server.config(HTTP));
    for outcome in join_all((0..100).map(|_| call(&upstreams))).await {
        assert_eq!(outcome.expect("a result")["content"][0]["text"], "called");
    }
    assert_eq!(server.asked("initialize").len(), 1);
}

// Sessions.

/// A server of sessions: the first `lives` calls of each are answered, then `end` is what it says of it.
async fn forgetful(lives: usize, end: fn() -> Reply) -> (Upstreams, HttpStub) {
    let (sessions, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = HttpStub::start(move |request| match request.asks() {
        "initialize" => {
            calls.store(0, Ordering::SeqCst);
            let id = sessions.fetch_add(1, Ordering::SeqCst);
            plain(request).with("mcp-session-id", format!("session-{id}"))
        }
        "tools/call" if calls.fetch_add(1, Ordering::SeqCst) >= lives => end(),
        _ => plain(request),
    })
    .await;
    (upstreams(server.config(HTTP)), server)
}

#[tokio::test]
async fn a_session_that_expired_is_made_anew_within_the_call() {
    let (upstreams, server) = forgetful(1, || status(404)).await;
    for _ in 0..3 {
        call(&upstreams).await.expect("a result");
    }
    assert_eq!(server.asked("initialize").len(), 3);
    let sessions: Vec<_> =
        server.asked("tools/call").iter().map(|call| call.header("mcp-session-id").to_owned()).collect();
    assert_eq!(sessions, ["session-0", "session-0", "session-1", "session-1", "session-2"]);
}

#[tokio::test]
async fn a_session_refused_by_400_is_made_anew_for_the_next_call() {
    let (upstreams, server) = forgetful(1, || reply(400, "text/plain", "No valid session ID provided")).await;
    call(&upstreams).await.expect("a result");
    let error = call(&upstreams).await.expect_err("refused");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.http_status", false), "{error}");
    assert!(error.to_string().contains("status 400: No valid session ID provided"), "{error}");
    call(&upstreams).await.expect("a result in a new session");
    assert_eq!(server.asked("initialize").len(), 2);
}

#[tokio::test]
async fn a_session_is_ended_when_the_bridge_ends() {
    let (upstreams, server) = forgetful(9, || status(404)).await;
    call(&upstreams).await.expect("a result");
    upstreams.shutdown().await;
    assert_eq!(server.asked("DELETE")[0].header("mcp-session-id"), "session-0");
}

#[tokio::test]
async fn a_call_whose_deadline_passes_is_taken_back() {
    let server = HttpStub::start(|request| match request.asks() {
        "tools/call" => Reply::Never,
        _ => plain(request),
    })
    .await;
    let upstreams = upstreams(server.config(HTTP));
    upstreams.tools("r").await.expect("tools");
    let error = upstreams.call("r", "t", no_arguments(), in_ms(200)).await.expect_err("too slow");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.call_timeout", true));
    let told = async {
        while server.asked("notifications/cancelled").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(stub::PATIENCE, told).await.expect("the server hears of it");
    let call = &server.asked("tools/call")[0].body["id"];
    assert_eq!(&server.asked("notifications/cancelled")[0].body["params"]["requestId"], call);
}

// Who we are.

#[tokio::test]
async fn headers_go_with_every_request_and_nowhere_else() {
    let elsewhere = HttpStub::start(plain).await;
    let to = elsewhere.url.clone();
    let server = HttpStub::start(move |request| match request.asks() {
        "tools/call" => status(307).with("location", to.clone()),
        _ => plain(request),
    })
    .await;
    let upstreams = upstreams(remote(&server.url, HTTP, &[("Authorization", "Bearer hunter22")]));
    let error = call(&upstreams).await.expect_err("a redirect to another origin");
    assert_eq!(error.code(), "upstream.http_status");
    assert!(
        error.to_string().contains("status 307: it redirects to http://127.0.0.1/…, which is not followed"),
        "{error}"
    );
    assert!(server.log().iter().all(|request| request.header("authorization") == "Bearer hunter22"));
    assert!(elsewhere.log().is_empty());
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed() {
    let server = HttpStub::start(|request| match request.path.as_str() {
        "/mcp" if request.method == "POST" => status(308).with("location", "/v2/mcp"),
        _ => plain(request),
    })
    .await;
    call(&upstreams(server.config(HTTP))).await.expect("a result");
}

#[tokio::test]
async fn redirects_in_a_circle_are_named() {
    let server = HttpStub::start(|request| match request.asks() {
        "tools/call" if request.path == "/mcp" => status(307).with("location", "/there"),
        "tools/call" => status(307).with("location", "/mcp"),
        _ => plain(request),
    })
    .await;
    let error = call(&upstreams(server.config(HTTP))).await.expect_err("a circle");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.http_status", false), "{error}");
    assert!(error.to_string().contains("its redirects go in a circle: more than 5 of them"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_named_and_no_secret_is_in_it() {
    for (status, wanted) in [(401, "`Authorization` in `headers`"), (403, "rights")] {
        let server = HttpStub::start(move |_| {
            http_stub::status(status).with("www-authenticate", r#"Bearer error="invalid_token", was="hunter22""#)
        })
        .await;
        let upstreams = upstreams(remote(&server.url, HTTP, &[("Authorization", "Bearer hunter22")]));
        let error = call(&upstreams).await.expect_err("refused");
        assert_eq!(
            (error.code(), error.kind(), error.may_have_happened()),
            ("upstream.unauthorized", Kind::Connection, false)
        );
        let text = format!("{error} {error:?} {}", error.hint());
        assert!(text.contains(&format!("HTTP status {status}")) && text.contains("invalid_token"), "{text}");
        assert!(!text.contains("hunter22") && error.hint().contains(wanted), "{text}");
        assert!(!text.contains("login") && text.contains("refused the `Authorization` of its entry"), "{text}");
    }
}

#[tokio::test]
async fn a_headers_helper_is_run_again_when_its_headers_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = folder.path().join("count");
    let server = HttpStub::start(|request| match request.header("authorization") {
        "Bearer 1" if request.asks() == "tools/call" => status(401),
        "" => status(401),
        _ => plain(request),
    })
    .await;
    let mut config = server.config(HTTP);
    let Transport::Remote { access, .. } = &mut config.transport else { panic!("remote") };
    *access = Access {
        headers_helper: Some(format!(
            r#"echo "$CLAUDE_CODE_MCP_SERVER_NAME" >> {0}; printf '{{"Authorization": "Bearer %s"}}' $(wc -l < {0})"#,
            count.display()
        )),
        ..Access::default()
    };
    let upstreams = upstreams(config);
    call(&upstreams).await.expect("a result");
    call(&upstreams).await.expect("a result");
    assert_eq!(std::fs::read_to_string(&count).expect("the count"), "r\nr\n");
}

// What goes wrong.

#[tokio::test]
async fn a_server_that_is_not_there_was_never_asked() {
    let server = HttpStub::start(plain).await;
    let url = server.url.clone();
    drop(server);
    let upstreams = upstreams(remote(&format!("{url}?key=hunter22hunter22"), RemoteKind::Unstated, &[]));
    let error = call(&upstreams).await.expect_err("nobody listens");
    assert_eq!(
        (error.code(), error.kind(), error.may_have_happened()),
        ("upstream.unreachable", Kind::Connection, false)
    );
    let text = format!("{error} {error:?}");
    assert!(text.contains(url.trim_end_matches("/mcp")) && !text.contains("hunter22"), "{text}");
    let again = call(&upstreams).await.expect_err("backing off");
    assert!(again.to_string().contains("(next try in 1 s)"), "{again}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_have_happened() {
    let halves = [
        Vec::new(),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"jsonrpc\"".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"jsonrpc\"".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:".to_vec(),
    ];
    for half in halves {
        let (outcome, _server) = one_call(move |_| Reply::Raw(half.clone())).await;
        let error = outcome.expect_err("half an answer");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.interrupted", true), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_mcp_is_said_to_be_not_mcp() {
    type Page = fn() -> Reply;
    let pages: [(Page, &str); 4] = [
        (|| reply(200, "text/html", "<html>login</html>"), "content of the type `text/html`"),
        (|| reply(200, "application/json", "{\"ok\":true}"), "{\"ok\":true}"),
        (|| reply(200, "application/json", ""), ""),
        (|| Reply::Whole { status: 200, headers: vec![], body: b"hm".to_vec() }, "a body without a content type"),
    ];
    for (page, words) in pages {
        let (outcome, _server) = one_call(move |_| page()).await;
        let error = outcome.expect_err(words);
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.not_mcp", true), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn statuses_mean_what_the_standard_says() {
    const PERHAPS: &str = "; the call may have happened";
    for (code, end) in [(400, ""), (429, ""), (500, PERHAPS), (502, PERHAPS), (503, ""), (504, PERHAPS)] {
        let (outcome, _server) =
            one_call(move |_| reply(code, "text/plain", "so\nit is").with("retry-after", "7")).await;
        let error = outcome.expect_err("a status");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.http_status", !end.is_empty()), "{code}");
        let text = error.to_string();
        assert!(text.ends_with(&format!("HTTP status {code}: so\nit is (it asks to wait: 7){end}")), "{text}");
    }
    // A server that is full says when to come back; a proxy whose server broke off does not.
    let (outcome, _server) = one_call(|_| status(503)).await;
    let error = outcome.expect_err("a status");
    assert!(error.may_have_happened() && error.to_string().ends_with(PERHAPS), "{error}");
}

#[tokio::test]
async fn an_error_of_the_protocol_counts_whatever_its_status() {
    for code in [200, 400, 404, 500] {
        let (outcome, _server) = one_call(move |request| {
            let error =
                json!({"jsonrpc": "2.0", "id": request.body["id"], "error": {"code": -32602, "message": "no `t`"}});
            reply(code, "application/json", error.to_string())
        })
        .await;
        let error = outcome.expect_err("an error");
        assert_eq!((error.code(), error.kind()), ("upstream.protocol", Kind::InvalidTool), "{code}: {error}");
    }
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused_and_the_next_call_works() {
    let forms: [fn(Vec<u8>) -> Reply; 2] = [
        |body| reply(200, "application/json", body),
        |body| reply(200, "text/event-stream", [b"data: ", &body[..], b"\n\n"].concat()),
    ];
    for form in forms {
        let count = AtomicUsize::new(0);
        let server = HttpStub::start(move |request| match request.asks() {
            "tools/call" if count.fetch_add(1, Ordering::SeqCst) == 0 => {
                let filler = "x".repeat(mcp_bridge::upstream::MAX_LINE);
                form(format!(r#"{{"jsonrpc":"2.0","id":{},"result":"{filler}"}}"#, request.body["id"]).into_bytes())
            }
            _ => plain(request),
        })
        .await;
        let upstreams = upstreams(server.config(HTTP));
        let error = call(&upstreams).await.expect_err("too large");
        assert_eq!(error.code(), "upstream.too_large", "{error}");
        call(&upstreams).await.expect("a result");
    }
}

#[tokio::test]
async fn a_handshake_without_an_answer_ends_in_time() {
    let server = HttpStub::start(|_| Reply::Never).await;
    let limit = std::time::Duration::from_millis(300);
    let upstreams = Upstreams::new(vec![server.config(HTTP)], Options { start_timeout: limit, ..options() });
    let error = call(&upstreams).await.expect_err("no answer");
    assert_eq!(error.code(), "upstream.start_timeout");
    assert_eq!(error.to_string(), "server `r` did not answer `initialize` within 0.3 s");
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_said() {
    for (url, words) in [
        ("ftp://h/", "begins with `ftp:`"),
        ("unix:s.sock", "begins with `unix:`"),
        ("https://", "is not one"),
        ("unix://s.sock", "without its whole path"),
        ("wss+unix://x", "begins with"),
    ] {
        let error = call(&upstreams(remote(url, RemoteKind::Unstated, &[]))).await.expect_err(url);
        assert_eq!(error.code(), "upstream.unusable_address", "{url}: {error}");
        assert!(error.to_string().contains(words), "{url}: {error}");
    }
    let error =
        call(&upstreams(remote("http://127.0.0.1:1/", HTTP, &[("a b", "hunter22")]))).await.expect_err("a header");
    assert_eq!(error.code(), "upstream.unusable_address", "{error}");
    assert!(!error.to_string().contains("hunter22"), "{error}");
}
