//! The end of a bridge, and HTTPS.

use std::io::{Read, Write};
use std::sync::Arc;

use nix::sys::signal::Signal;
use serde_json::json;

use super::bridge::{Bridge, eventually, home};
use super::raw::{Request, connect, send};
use super::sessions::open;

#[test]
fn what_is_under_way_ends_before_the_bridge_does() {
    let mut bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_GRACE", "60")]);
    let session = open(&bridge, "2025-11-25");
    let call = json!({"name": "run_python", "arguments": {"code": "print('begun', flush=True)\nawait mcp_stub.wait()\n5"},
        "_meta": {"progressToken": 1}});
    let mut stream = Request::rpc(2, "tools/call", call).session(&session).open(bridge.port);
    assert_eq!(stream.message()["method"], "notifications/progress");
    // Another waits at the gate's other side: after the signal no new call is taken.
    let port = bridge.port;
    bridge.signal(Signal::SIGTERM);
    let health = eventually("it drains", || {
        let health = Request::new("GET", "/health").ask(port);
        (health.status == 503).then_some(health)
    });
    assert_eq!((&health.json()["status"], health.header("retry-after")), (&json!("draining"), Some("1")));
    assert!(bridge.get("/metrics").body.contains("mcp_bridge_draining 1\n"));
    let refused = Request::rpc(3, "tools/list", json!({})).session(&session).ask(port);
    assert_eq!(
        (refused.status, refused.code().as_str(), refused.header("retry-after")),
        (503, "http.draining", Some("1"))
    );
    assert_eq!(bridge.post("/tools/call", &json!({"name": "stub__go"})).code(), "http.draining");
    assert_eq!(bridge.get("/tools").code(), "http.draining", "servers are not started any more");
    // Its client gives the run up, and that is the last that was under way.
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}});
    assert_eq!(Request::new("POST", "/mcp").json(&cancel).session(&session).ask(port).status, 202);
    while stream.next("").is_some() {}
    assert_eq!(bridge.ended(), Some(0));
}

#[test]
fn grace_has_an_end() {
    let mut bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_GRACE", "200ms")]);
    let session = open(&bridge, "2025-11-25");
    let call = json!({"name": "run_python", "arguments": {"code": "print('begun', flush=True)\nwhile True: pass"},
        "_meta": {"progressToken": 1}});
    let mut stream = Request::rpc(2, "tools/call", call).session(&session).open(bridge.port);
    assert_eq!(stream.message()["method"], "notifications/progress");
    bridge.signal(Signal::SIGTERM);
    while stream.next("").is_some() {}
    assert_eq!(bridge.ended(), Some(0));
}

/// A bridge that speaks HTTPS, and what a client must know to trust it.
pub fn over_https() -> (Bridge, Arc<rustls::ClientConfig>) {
    let home = home();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("writing");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("writing");
    let words = ["--tls-cert", certificate.to_str().expect("text"), "--tls-key", key.to_str().expect("text")];
    let bridge = Bridge::with(home, &words, &[]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (bridge, Arc::new(config))
}

/// The client's side of TLS.
pub fn tls(config: &Arc<rustls::ClientConfig>) -> rustls::ClientConnection {
    let name = "localhost".try_into().expect("a name");
    rustls::ClientConnection::new(Arc::clone(config), name).expect("a client")
}

#[test]
fn https_is_spoken_and_http_told_so() {
    let (mut bridge, config) = over_https();
    let plain = send(bridge.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(plain.starts_with("HTTP/1.1 400") && plain.ends_with("use https:// in place of http://"), "{plain}");

    let mut client = tls(&config);
    let mut stream = connect(bridge.port);
    let mut secure = rustls::Stream::new(&mut client, &mut stream);
    secure.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("writing");
    let mut answer = Vec::new();
    let _ = secure.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"ok\""), "{answer}");
    assert!(!bridge.log().contains("ERROR"));
}
