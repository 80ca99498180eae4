//! What answers say beside their bodies.

use super::bridge::{Bridge, home};
use super::guard::ROUTES;
use super::raw::{Open, Request};

fn is_for_who_asked(answer: &Open, what: &str) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}: {}", answer.status);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}: {}", answer.status);
}

#[test]
fn no_answer_is_kept_by_a_cache_or_taken_for_another_type() {
    let bridge = Bridge::start();
    let look = |request: Request, what: &str| is_for_who_asked(&request.open(bridge.port), what);
    for (method, path) in ROUTES {
        look(Request::new(method, path), path);
        look(Request::new("PUT", path), path);
        look(Request::new(method, path).with("Host", "evil.example.com"), path);
    }
    look(Request::new("GET", "/sse").with("Accept", "text/event-stream"), "a stream");
    bridge.token("ann");
    for (method, path) in ROUTES {
        look(Request::new(method, path), path);
    }
}

#[test]
fn a_refusal_says_how_to_ask() {
    let bridge = Bridge::with(home(), &[], &[("MCP_BRIDGE_HTTP_AUTH", "off")]);
    for (path, allowed) in [
        ("/mcp", "GET, POST, DELETE"),
        ("/sse", "GET"),
        ("/messages", "POST"),
        ("/ws", "GET"),
        ("/tools", "GET"),
        ("/tools/call", "POST"),
        ("/health", "GET"),
        ("/metrics", "GET"),
    ] {
        let refused = Request::new("PATCH", path).ask(bridge.port);
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allowed)), "{path}");
    }
    for path in ["/mcp", "/tools/call"] {
        let refused = Request::new("POST", path).body(b"{}").with("Content-Type", "text/plain").ask(bridge.port);
        assert_eq!((refused.status, refused.header("accept")), (415, Some("application/json")), "{path}");
    }
    let refused = bridge.get("/ws");
    assert_eq!(
        (refused.status, refused.header("upgrade"), refused.code().as_str()),
        (426, Some("websocket"), "http.message")
    );
    assert_eq!(refused.header("sec-websocket-version"), Some("13"));
    bridge.token("ann");
    let open = Request::new("GET", "/tools").ask(bridge.port);
    assert_eq!(open.status, 200, "nobody is asked who they are");
}
