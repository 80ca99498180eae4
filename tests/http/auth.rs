//! Who may call: tokens, JWTs, nobody else.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::bridge::{Bridge, command, eventually, home, run, text};
use super::raw::{Request, hello};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub fn opened(bridge: &Bridge, token: &str) -> String {
    let answer = Request::rpc(1, "initialize", hello("2025-11-25")).bearer(token).ask(bridge.port);
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[test]
fn a_token_lets_in_and_its_end_is_felt_at_once() {
    let bridge = Bridge::start();
    // Until there is a token, anybody on this machine may call.
    let session = opened(&bridge, "");
    let mut anonymous = [
        Request::new("GET", "/sse").with("Accept", "text/event-stream").open(bridge.port),
        Request::new("GET", "/mcp").with("Accept", "text/event-stream").session(&session).open(bridge.port),
    ];
    assert!(anonymous.iter().all(|stream| stream.status == 200));
    let token = bridge.token("ann");
    for stream in &mut anonymous {
        while stream.next("").is_some() {}
    }
    let list = Request::rpc(2, "tools/list", json!({}));
    let closed = list.clone().session(&session).ask(bridge.port);
    assert_eq!((closed.status, closed.code().as_str()), (401, "http.unauthorized"));
    assert!(closed.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
    assert_eq!(list.clone().session(&session).bearer(&token).ask(bridge.port).status, 404, "it has ended");

    let mine = opened(&bridge, &token);
    assert_eq!(list.clone().session(&mine).bearer(&token).ask(bridge.port).status, 200);
    let mut stream = Request::new("GET", "/sse").bearer(&token).with("Accept", "text/event-stream").open(bridge.port);
    assert_eq!(stream.status, 200);
    assert!(run(bridge.home.path(), &["token", "remove", "ann"]).status.success());
    while stream.next("").is_some() {}
    // The last token is gone, and still nobody else is let in.
    for request in [list.clone().session(&mine).bearer(&token), list.session(&mine)] {
        assert_eq!(request.ask(bridge.port).status, 401);
    }
}

#[test]
fn a_session_is_of_the_caller_who_opened_it() {
    let mut bridge = Bridge::start();
    let (ann, bob) = (bridge.token("ann"), bridge.token("bob"));
    let session = opened(&bridge, &ann);
    let requests = [
        Request::rpc(2, "tools/list", json!({})),
        Request::new("GET", "/mcp").with("Accept", "text/event-stream"),
        Request::new("DELETE", "/mcp"),
    ];
    for request in requests {
        let answer = request.session(&session).bearer(&bob).ask(bridge.port);
        assert_eq!((answer.status, answer.code().as_str()), (404, "http.no_session"));
    }
    let mine = Request::rpc(2, "tools/list", json!({})).session(&session).bearer(&ann).ask(bridge.port);
    assert_eq!(mine.status, 200);
    let mut stream = Request::new("GET", "/sse").bearer(&ann).with("Accept", "text/event-stream").open(bridge.port);
    let place = stream.next("data: ").expect("the endpoint");
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(Request::new("POST", &place).json(&message).bearer(&bob).ask(bridge.port).status, 404);
    assert_eq!(Request::new("POST", &place).json(&message).bearer(&ann).ask(bridge.port).status, 202);
    let log = bridge.log().to_owned();
    assert!(!log.contains(&ann) && !log.contains(&bob), "a token stands in the log");
}

#[test]
fn others_wrong_tokens_keep_nobody_out() {
    let mut bridge = Bridge::start();
    let (token, begun) = (bridge.token("ann"), Instant::now());
    let wrong: Vec<_> = (0..80)
        .map(|n| {
            let port = bridge.port;
            std::thread::spawn(move || {
                let token = format!("mcpb_{n}{}", "A".repeat(40));
                Request::new("GET", "/tools").bearer(&token).ask(port).status
            })
        })
        .collect();
    for _ in 0..5 {
        assert_eq!(Request::new("GET", "/metrics").bearer(&token).ask(bridge.port).status, 200);
    }
    let answers: Vec<u16> = wrong.into_iter().map(|one| one.join().expect("an answer")).collect();
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    for header in ["Basic YTpi", "Bearer", "bearer ", "mcpb_"] {
        assert_eq!(
            Request::new("GET", "/tools").with("Authorization", header).ask(bridge.port).status,
            401,
            "{header}"
        );
    }
    let twice = Request::new("GET", "/tools").bearer(&token).and("Authorization", "Bearer x").ask(bridge.port);
    assert_eq!(twice.status, 401);
    bridge.logged("a token was refused: it is not known, or not any more");
    is_no_flood(&mut bridge, begun);
}

/// One line a second, and the first.
#[track_caller]
fn is_no_flood(bridge: &mut Bridge, begun: Instant) {
    let lines = bridge.log().matches("a token was refused").count();
    assert!(lines as f64 <= begun.elapsed().as_secs_f64() + 1.0, "{lines} lines in {:?}", begun.elapsed());
}

#[test]
fn who_is_not_let_in_learns_no_names() {
    let bridge = Bridge::start();
    let token = bridge.token("ann");
    let health = bridge.get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    assert!(!health.body.contains("stub") && health.json().get("servers").is_none(), "{}", health.body);
    assert_eq!(bridge.get("/health?live").json()["status"], "live");
    for path in ["/metrics", "/tools", "/sse", "/ws", "/mcp"] {
        assert_eq!(bridge.get(path).status, 401, "{path}");
    }
    let told = Request::new("GET", "/health").bearer(&token).ask(bridge.port);
    assert_eq!(told.json()["servers"][0]["name"], "stub");
    let listed = run(bridge.home.path(), &["token", "list", "--json"]);
    assert!(text(&listed.stdout).contains("\"token:ann\"") && !text(&listed.stdout).contains(&token));
}

#[test]
fn a_token_expires() {
    let bridge = Bridge::start();
    let made = run(bridge.home.path(), &["token", "add", "short", "--expires", "3s"]);
    let token = text(&made.stdout).trim().to_owned();
    let ask = || Request::new("GET", "/metrics").bearer(&token).ask(bridge.port).status;
    let mut stream = Request::new("GET", "/sse").bearer(&token).with("Accept", "text/event-stream").open(bridge.port);
    while stream.next("").is_some() {}
    eventually("it expires", || (ask() == 401).then_some(()));
    let refused = run(bridge.home.path(), &["token", "add", "never", "--expires", "soon"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn nobody_listens_to_the_world_without_tokens() {
    let home = home();
    let start = |env: &[(&str, &str)]| {
        let mut command = command(home.path(), &["start", "--host", "0.0.0.0", "--port", "0"]);
        let output = command.envs(env.iter().copied()).output().expect("the bridge runs");
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = start(&[]);
    assert!(code == Some(2) && said.contains("http.open"), "{said}");
    assert!(run(home.path(), &["token", "add", "ann"]).status.success());
    let (code, said) = start(&[("MCP_BRIDGE_HTTP_AUTH", "off")]);
    assert!(code == Some(2) && said.contains("http.open"), "{said}");
}

pub fn jwt(algorithm: Algorithm, claims: Value) -> String {
    encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

/// A bridge that takes JWTs of `https://issuer.example.com` for `bridge`.
fn with_jwts() -> Bridge {
    let home = home();
    let keys = home.path().join("secret");
    std::fs::write(&keys, SECRET).expect("a secret");
    let env = [
        ("MCP_BRIDGE_HTTP_JWT_ISSUER", "https://issuer.example.com"),
        ("MCP_BRIDGE_HTTP_JWT_AUDIENCE", "bridge"),
        ("MCP_BRIDGE_HTTP_JWT_KEYS", keys.to_str().expect("text")),
        ("MCP_BRIDGE_HTTP_URL", "https://bridge.example.com"),
    ];
    Bridge::with(home, &[], &env)
}

#[test]
fn the_log_says_why_a_jwt_is_refused_and_cannot_be_filled_with_them() {
    let mut bridge = with_jwts();
    let (port, begun) = (bridge.port, Instant::now());
    let ask = |token: &str| Request::new("GET", "/metrics").bearer(token).ask(port).status;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let claims =
        |sub: &str, exp: u64| json!({"iss": "https://issuer.example.com", "aud": "bridge", "sub": sub, "exp": exp});
    let expired = jwt(Algorithm::HS256, claims("ann", now - 600));
    assert_eq!(ask(&expired), 401);
    let line = bridge.logged("a token was refused: it has expired (`exp`)");
    assert!(line.contains("from=127.0.0.1") && line.contains("left_out=0"), "{line}");
    // These are answered at once, however many come.
    let nameless = jwt(Algorithm::HS256, claims("", now + 600));
    let line = eventually("a line says how many it stands for", || {
        assert_eq!(ask(&nameless), 401);
        let refused = bridge.log().lines().filter(|line| line.contains("a token was refused"));
        refused.filter(|line| !line.contains("left_out=0")).map(str::to_owned).next()
    });
    assert!(line.contains("its `sub` cannot be a caller's name"), "{line}");
    is_no_flood(&mut bridge, begun);
    for token in [expired, nameless] {
        assert!(token.split('.').all(|part| !bridge.said.contains(part)), "a part of a token stands in the log");
    }
}

#[test]
fn jwts_let_in_and_their_callers_are_no_tokens() {
    let bridge = with_jwts();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({"iss": "https://issuer.example.com", "aud": "bridge", "sub": "ann", "exp": now + 600});
    let good = jwt(Algorithm::HS256, claims.clone());
    let session = opened(&bridge, &good);
    let list = Request::rpc(2, "tools/list", json!({})).session(&session);
    assert_eq!(list.clone().bearer(&good).ask(bridge.port).status, 200);
    let token = bridge.token("ann");
    assert_eq!(list.clone().bearer(&token).ask(bridge.port).status, 404, "another caller of the same name");

    let mut parts = good.split('.');
    let (_, body) = (parts.next(), parts.next().expect("claims"));
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
    let mut expired = claims;
    expired["exp"] = json!(now - 600);
    for wrong in [unsigned, jwt(Algorithm::HS256, expired), good.replace('.', ".x")] {
        assert_eq!(list.clone().bearer(&wrong).ask(bridge.port).status, 401);
    }

    // One that is good, but whose subject would read as another's, is refused with the reason.
    let mut turned = json!({"iss": "https://issuer.example.com", "aud": "bridge", "exp": now + 600});
    turned["sub"] = json!("nna\u{202e}");
    let refused = list.clone().bearer(&jwt(Algorithm::HS256, turned)).ask(bridge.port);
    let challenge = refused.header("www-authenticate").expect("a challenge").to_owned();
    assert!(refused.status == 401 && challenge.contains("the sub of the token cannot be a name"), "{challenge}");

    let refused = bridge.get("/tools");
    let place = "https://bridge.example.com/.well-known/oauth-protected-resource";
    assert!(refused.header("www-authenticate").is_some_and(|c| c.contains(&format!("resource_metadata=\"{place}\""))));
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let document = bridge.get(path).json();
        assert_eq!(document["resource"], "https://bridge.example.com/mcp");
        assert_eq!(document["authorization_servers"], json!(["https://issuer.example.com"]));
        let posted = Request::new("POST", path).ask(bridge.port);
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
    }
    // What clients of 2025-03-26 ask for would name another issuer than this address.
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let none = bridge.get(path);
        assert_eq!((none.status, none.code().as_str()), (404, "http.no_oauth"));
        let hint = &none.json()["error"]["hint"];
        assert!(hint.as_str().is_some_and(|hint| hint.starts_with(&format!("{place} names"))), "{hint}");
    }
}
