//! Host and Origin, on every route.

use super::bridge::{Bridge, home};
use super::raw::{Request, send};

pub const ROUTES: [(&str, &str); 12] = [
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages"),
    ("GET", "/ws"),
    ("GET", "/tools"),
    ("POST", "/tools/call"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/no/such"),
];

#[test]
fn no_route_answers_a_foreign_host_or_page() {
    let bridge = Bridge::start();
    for (method, path) in ROUTES {
        let request = Request::new(method, path);
        let code = |request: Request| {
            let answer = request.ask(bridge.port);
            (answer.status, answer.code())
        };
        for host in
            ["evil.example.com", "127.0.0.1.evil.example.com", "localhost.evil.example.com", "user@127.0.0.1", ""]
        {
            assert_eq!(code(request.clone().with("Host", host)), (403, "http.host".into()), "{method} {path} {host}");
        }
        assert_eq!(
            code(request.clone().and("Host", "evil.example.com")),
            (403, "http.host".into()),
            "{path}: two hosts"
        );
        let absolute = Request::new(method, &format!("http://evil.example.com{path}"));
        assert_eq!(code(absolute), (403, "http.host".into()), "{path}: absolute");
        for origin in
            ["http://evil.example.com", "https://localhost.evil.example.com", "null", "file://", "http://u@localhost"]
        {
            let answer = request.clone().with("Origin", origin).ask(bridge.port);
            assert_eq!((answer.status, answer.code().as_str()), (403, "http.origin"), "{method} {path} {origin}");
            assert!(answer.header("access-control-allow-origin").is_none());
        }
    }
    assert!(send(bridge.port, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").contains("403"), "no Host");
}

#[test]
fn our_own_names_and_pages_may() {
    let env = [("MCP_BRIDGE_HTTP_HOSTS", "bridge.example.com"), ("MCP_BRIDGE_HTTP_ORIGINS", "https://app.example.com")];
    let bridge = Bridge::with(home(), &[], &env);
    for host in ["127.0.0.1:1", "localhost", "LocalHost:8000", "[::1]:80", "bridge.example.com", "a.localhost"] {
        assert_eq!(Request::new("GET", "/health").with("Host", host).ask(bridge.port).status, 200, "{host}");
    }
    for origin in ["http://localhost:6274", "https://127.0.0.1", "http://[::1]:3", "https://app.example.com"] {
        let answer = Request::new("GET", "/health").with("Origin", origin).ask(bridge.port);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)));
        let asked =
            Request::new("OPTIONS", "/mcp").with("Origin", origin).with("Access-Control-Request-Method", "POST");
        let asked = asked.with("Access-Control-Request-Headers", "content-type,Mcp-Param-Region, x-other");
        let answer = asked.ask(bridge.port);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(origin)));
        let names = answer.header("access-control-allow-headers").expect("names");
        assert!(
            names.contains("mcp-session-id") && names.contains("mcp-param-region") && !names.contains("x-other"),
            "{names}"
        );
    }
    let absolute = Request::new("GET", "http://localhost/health").ask(bridge.port);
    assert_eq!(absolute.status, 200);
    let other = Request::new("GET", "/health").with("Origin", "http://app.example.com").ask(bridge.port);
    assert_eq!(other.status, 403, "another scheme is another origin");
}

#[test]
fn what_is_not_there_says_what_is() {
    let bridge = Bridge::start();
    let answer = bridge.get("/nowhere");
    assert_eq!((answer.status, answer.code().as_str()), (404, "http.no_path"));
    assert!(answer.body.contains("/mcp") && answer.body.contains("/tools/call"), "{}", answer.body);
    let answer = bridge.get("/.well-known/oauth-authorization-server");
    assert_eq!((answer.status, answer.code().as_str()), (404, "http.no_oauth"));
    let answer = Request::new("PUT", "/tools").ask(bridge.port);
    assert_eq!((answer.status, answer.code().as_str(), answer.header("allow")), (405, "http.method", Some("GET")));
}
