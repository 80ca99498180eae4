//! Remote connections to servers that people use: the official SDKs in both eras, over every transport, and a proxy.

#[path = "support/http_stub.rs"]
mod http_stub;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/real.rs"]
mod real;
#[path = "support/stub.rs"]
mod stub;

use std::path::Path;

use futures::future::join_all;
use http_stub::remote;
use mcp_bridge::upstream::config::{Era, RemoteKind, ServerConfig, Transport};
use mcp_bridge::upstream::{UpstreamError, Upstreams};
use peer::{Peer, certificates};
use serde_json::{Value, json};
use stub::{arguments, in_ms, no_arguments, options, soon};

fn upstreams(config: ServerConfig) -> Upstreams {
    Upstreams::new(vec![config], options())
}

async fn call(upstreams: &Upstreams, tool: &str, input: Value) -> Result<Value, UpstreamError> {
    let raw = upstreams.call("r", tool, arguments(input), soon()).await?;
    Ok(serde_json::from_str(raw.get()).expect("JSON"))
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().expect("a text")
}

/// What every peer must do: list, answer, answer many at once, and take back what took too long.
async fn works(name: &str, upstreams: &Upstreams, echo: (&str, &str, &str)) {
    let tools = upstreams.tools("r").await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let (tool, argument, prefix) = echo;
    assert!(tools.tools.iter().any(|known| known.name == tool), "{name}");
    let answer = call(upstreams, tool, json!({ argument: "hällo" })).await.expect(name);
    assert_eq!(text(&answer), format!("{prefix}hällo"), "{name}");
    let many = join_all((0..50).map(|number| call(upstreams, tool, json!({ argument: number.to_string() })))).await;
    for (number, answer) in many.into_iter().enumerate() {
        assert_eq!(text(&answer.expect(name)), format!("{prefix}{number}"), "{name}");
    }
}

const ECHO: (&str, &str, &str) = ("echo", "text", "");

#[tokio::test]
async fn both_lines_of_the_python_sdk_over_every_transport() {
    let Some(folder) = real::folder() else { return };
    for (line, transport) in [("older", "http"), ("older", "sse"), ("older", "ws"), ("venv", "http"), ("venv", "sse")] {
        let name = format!("{line} over {transport}");
        let peer = Peer::sdk(&folder, line, transport, &[]);
        let upstreams = upstreams(remote(&peer.url, RemoteKind::Unstated, &[]));
        // An address of SSE is found out as well: the server refuses a POST there.
        works(&name, &upstreams, ECHO).await;

        let slow = upstreams.call("r", "sleep", arguments(json!({"seconds": 600})), in_ms(300)).await;
        assert_eq!(slow.expect_err("too slow").code(), "upstream.call_timeout", "{name}");
        works(&name, &upstreams, ECHO).await;
        upstreams.shutdown().await;
    }
}

#[tokio::test]
async fn a_tool_list_that_changed_is_read_again() {
    let Some(folder) = real::folder() else { return };
    // The newer line tells it only who listens.
    for (line, transport) in [("older", "http"), ("older", "sse"), ("older", "ws"), ("venv", "http")] {
        let peer = Peer::sdk(&folder, line, transport, &[]);
        let upstreams = upstreams(remote(&peer.url, RemoteKind::Unstated, &[]));
        let before = upstreams.tools("r").await.expect("tools").tools.len();
        call(&upstreams, "grow", json!({})).await.expect(transport);
        let grown = async {
            while upstreams.tools("r").await.expect("tools").tools.len() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(stub::PATIENCE, grown).await.expect(transport);
    }
}

#[tokio::test]
async fn a_server_that_died_and_came_back_is_found_again() {
    let Some(folder) = real::folder() else { return };
    for transport in ["http", "sse", "ws"] {
        let mut peer = Peer::sdk(&folder, "older", transport, &[]);
        let upstreams = upstreams(remote(&peer.url, RemoteKind::Unstated, &[]));
        works(transport, &upstreams, ECHO).await;

        // A call is on its way when the server is killed.
        let (outcome, ()) = tokio::join!(call(&upstreams, "sleep", json!({"seconds": 600})), async {
            peer.is_busy().await;
            peer.kill();
        });
        let error = outcome.expect_err("it was killed");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.interrupted", true), "{transport}: {error}");
        let error = call(&upstreams, "echo", json!({"text": "?"})).await.expect_err("it is gone");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.unreachable", false), "{transport}: {error}");

        peer.again();
        let back = async {
            while call(&upstreams, "echo", json!({"text": "?"})).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(stub::PATIENCE, back).await.expect(transport);
    }
}

#[tokio::test]
async fn the_node_sdk_and_a_proxy() {
    let Some(folder) = real::folder() else { return };
    for (mode, path) in [("streamableHttp", "mcp"), ("sse", "sse")] {
        let peer = Peer::everything(&folder, mode, path);
        let upstreams = upstreams(remote(&peer.url, RemoteKind::Unstated, &[]));
        works(mode, &upstreams, ("echo", "message", "Echo: ")).await;
        upstreams.shutdown().await;
    }
    let peer = Peer::proxy(&folder);
    let upstreams = upstreams(remote(&peer.url, RemoteKind::Sse, &[]));
    let time = json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"});
    let time = call(&upstreams, "convert_time", time).await.expect("a result through the proxy");
    assert_eq!(time["structuredContent"]["time_difference"], "+9.0h");
}

/// Servers of other makers, in every era that each knows: how it must begin, how many tools it has, and what one call says offline.
#[tokio::test]
async fn servers_of_other_makers() {
    let Some(folder) = real::folder() else { return };
    let files = tempfile::tempdir().expect("a folder");
    let book = json!({"path": files.path().join("book.xlsx")});
    let nowhere = json!({"url": "http://127.0.0.1:9/"});
    let both = &[Era::Any, Era::Initialize, Era::Discover][..];
    let older = &[Era::Any, Era::Initialize][..];
    let rows = [
        ("duckduckgo", both, 3, "fetch_content", nowhere.clone(), "127.0.0.1"),
        ("duckduckgo-sse", older, 3, "fetch_content", nowhere, "127.0.0.1"),
        ("excel", both, 46, "create_workbook", book, "book.xlsx"),
        ("map", older, 2, "show-map", json!({"west": 13.0, "south": 52.0, "east": 14.0, "north": 53.0}), "52"),
    ];
    let tried = rows.into_iter().map(async |(name, eras, tools, tool, input, words)| {
        let place = folder.clone();
        let peer = tokio::task::spawn_blocking(move || Peer::published(&place, name)).await.expect(name);
        for era in eras {
            let mut config = remote(&peer.url, RemoteKind::Unstated, &[]);
            config.era = *era;
            let upstreams = upstreams(config);
            let listed = upstreams.tools("r").await.unwrap_or_else(|error| panic!("{name}, {era:?}: {error}"));
            assert_eq!(listed.tools.len(), tools, "{name}, {era:?}");
            let answer = call(&upstreams, tool, input.clone()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text(&answer).contains(words), "{name}, {era:?}: {answer}");
            upstreams.shutdown().await;
        }
    });
    join_all(tried).await;
}

#[tokio::test]
async fn a_server_that_wants_a_token() {
    let Some(folder) = real::folder() else { return };
    let peer = Peer::published(&folder, "notion");
    let wrong = &[("Authorization", "Bearer wrong-token-2")][..];
    for (headers, what_to_do) in [(&[][..], "mcp-bridge login r"), (wrong, "correct `Authorization`")] {
        let error = upstreams(remote(&peer.url, RemoteKind::Unstated, headers)).tools("r").await.expect_err("refused");
        assert!(matches!(error, UpstreamError::Unauthorized { status: 401 | 403, .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong-token-2"), "{error:?}");
        assert!(error.hint().contains(what_to_do), "{}", error.hint());
    }
    let headers = [("Authorization", "Bearer notion-token-1")];
    let with_token = upstreams(remote(&peer.url, RemoteKind::Unstated, &headers));
    assert_eq!(with_token.tools("r").await.expect("its list").tools.len(), 24);
}

#[tokio::test]
async fn a_server_that_looks_at_the_name_it_is_reached_by() {
    let Some(folder) = real::folder() else { return };
    let peer = Peer::published(&folder, "playwright");
    let error = upstreams(remote(&peer.url, RemoteKind::Unstated, &[])).tools("r").await.expect_err("refused");
    assert_eq!(error.code(), "upstream.unauthorized");
    assert!(error.to_string().contains("HTTP status 403 (Access is only allowed at localhost:"), "{error}");
    assert!(error.hint().starts_with("host not allowed: "), "{}", error.hint());
    // By the name that it wants, over both of its transports.
    let url = peer.url.replace("127.0.0.1", "localhost");
    for url in [url.clone(), url.replace("/mcp", "/sse")] {
        let upstreams = upstreams(remote(&url, RemoteKind::Unstated, &[]));
        assert_eq!(upstreams.tools("r").await.unwrap_or_else(|error| panic!("{url}: {error}")).tools.len(), 25);
        upstreams.shutdown().await;
    }
}

#[tokio::test]
async fn a_server_behind_a_unix_socket() {
    let Some(folder) = real::folder() else { return };
    let place = tempfile::tempdir().expect("a folder");
    let socket = place.path().join("peer.sock").display().to_string();
    let _peer = Peer::sdk(&folder, "venv", "http", &["--socket", &socket]);
    works("unix", &upstreams(remote(&format!("unix://{socket}"), RemoteKind::Unstated, &[])), ECHO).await;

    for (transport, kind, url) in [
        ("ws", RemoteKind::Unstated, "ws+unix://SOCKET:/"),
        ("ws", RemoteKind::WebSocket, "unix://SOCKET:/"),
        ("sse", RemoteKind::Sse, "unix://SOCKET:/sse"),
    ] {
        let socket = place.path().join(format!("{transport}-{kind:?}.sock")).display().to_string();
        let _peer = Peer::sdk(&folder, "older", transport, &["--socket", &socket]);
        works(url, &upstreams(remote(&url.replace("SOCKET", &socket), kind, &[])), ECHO).await;
    }
}

/// An entry with the certificates that it trusts and shows.
fn secure(url: &str, ca: Option<&Path>, own: Option<(&Path, &Path)>) -> ServerConfig {
    let mut config = remote(url, RemoteKind::Unstated, &[]);
    let Transport::Remote { access, .. } = &mut config.transport else { panic!("remote") };
    access.ca = ca.map(Path::to_owned);
    access.certificate = own.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
    config
}

#[tokio::test]
async fn certificates_are_checked_and_shown() {
    let Some(folder) = real::folder() else { return };
    let place = tempfile::tempdir().expect("a folder");
    let files = certificates(place.path());
    let own = Some((files.client.as_path(), files.client_key.as_path()));
    for transport in ["http", "sse", "ws"] {
        let (server, key) = (files.server.display().to_string(), files.server_key.display().to_string());
        let tls = ["--tls", &server, &key];
        let peer = Peer::sdk(&folder, "older", transport, &tls);
        let url = peer.url.replacen("http://", "https://", 1).replacen("ws://", "wss://", 1);
        let error =
            call(&upstreams(secure(&url, None, None)), "echo", json!({"text": "?"})).await.expect_err("a stranger");
        assert_eq!(error.code(), "upstream.unreachable", "{transport}: {error}");
        assert!(error.to_string().contains("ertificate"), "{transport}: {error}");
        works("with the authority", &upstreams(secure(&url, Some(&files.ca), None)), ECHO).await;

        let ca = files.ca.display().to_string();
        let strict = [&tls[..], &["--client-ca", &ca]].concat();
        let peer = Peer::sdk(&folder, "older", transport, &strict);
        let url = peer.url.replacen("http://", "https://", 1).replacen("ws://", "wss://", 1);
        let refused = call(&upstreams(secure(&url, Some(&files.ca), None)), "echo", json!({"text": "?"})).await;
        assert!(!refused.expect_err("without a certificate").may_have_happened(), "{transport}");
        works("with both", &upstreams(secure(&url, Some(&files.ca), own)), ECHO).await;
    }
    let nothing = upstreams(secure("https://127.0.0.1:1/", Some(Path::new("/no/such.pem")), None));
    let error = nothing.call("r", "t", no_arguments(), soon()).await.expect_err("no file");
    assert_eq!(error.code(), "upstream.unusable_address");
    assert!(error.to_string().contains("/no/such.pem cannot be read"), "{error}");
}
