//! Rules, direct tools and the audit trail together, as a team meets them: callers known by their tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::auth::{SECRET, jwt, opened};
use super::bridge::{Bridge, eventually, home, run, text};
use super::raw::{Request, hello};

/// The trail's lines of this kind.
fn trail(bridge: &Bridge, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(bridge.home.path().join("audit.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["kind"] == kind).collect()
}

fn names(listed: &Value) -> Vec<&str> {
    let tools = listed["tools"].as_array().or_else(|| listed["result"]["tools"].as_array()).expect("tools");
    tools.iter().filter_map(|tool| tool["name"].as_str()).collect()
}

/// Who says by an argument who it is, says so in every way to call; and nobody else is told.
#[test]
fn an_agent_is_known_by_its_argument_over_rest_and_for_lookups_too() {
    let home = home();
    let rules = json!({"access_rules": {
        "ann": {"servers": ["stub"], "tools": {"stub": ["go"]}},
        "bob": {"servers": [], "tools": ["run_python"]},
    }});
    std::fs::write(home.path().join("rules.json"), rules.to_string()).expect("rules");
    let [path, audit] = ["rules.json", "audit.jsonl"].map(|name| home.path().join(name).display().to_string());
    let env = [("MCP_BRIDGE_ACCESS", path.as_str()), ("MCP_BRIDGE_AUDIT", &audit), ("MCP_BRIDGE_AGENT_ID", "1")];
    let bridge = Bridge::with(home, &["--expose", "both"], &env);
    let call = |name: &str, arguments: Value| {
        let body = json!({"name": name, "arguments": arguments});
        Request::new("POST", "/tools/call").json(&body).ask(bridge.port)
    };
    let went = call("stub__go", json!({"agent_id": "ann"}));
    assert_eq!((went.status, &went.json()["content"][0]["text"]), (200, &json!("gone")), "{went:?}");
    assert_eq!(call("stub__go", json!({})).status, 404, "without a name it is nobody's");
    assert_eq!(call("stub__go", json!({"agent_id": 7})).code(), "request.argument");
    assert_eq!(call("stub__go", json!({"agent_id": "token:x"})).code(), "request.argument");
    // Before there were runs, the tool was not found there for want of an entry of the transport's.
    let refused = call("run_python", json!({"code": "", "agent_id": "bob"}));
    assert_eq!(refused.json()["structuredContent"]["error"]["code"], "request.argument", "{refused:?}");
    // The tools that look things up ask the same rules.
    let opened = Request::rpc(1, "initialize", hello("2025-11-25")).ask(bridge.port);
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let look = |agent: &str| {
        let params = json!({"name": "list_servers", "arguments": {"agent_id": agent}});
        Request::rpc(2, "tools/call", params).session(&session).ask(bridge.port).json()
    };
    assert_eq!(look("ann")["result"]["structuredContent"]["servers"][0]["name"], "stub");
    assert_eq!(look("bob")["error"]["code"], -32602, "bob's entry names other tools of the bridge");
    let calls = trail(&bridge, "call");
    let said: Vec<_> = calls.iter().map(|line| ["caller", "tool", "outcome"].map(|it| line[it].as_str())).collect();
    assert_eq!(said[0], ["ann", "go", "ok"].map(Some));
    // echo -n '{}' | sha256sum
    let nothing = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(calls[0]["arguments_sha256"], nothing, "the server is not told who calls");
    assert_eq!(said.last(), Some(&["bob", "list_servers", "denied"].map(Some)));
}

#[test]
fn each_caller_has_its_own_part_of_the_servers_and_the_trail_says_who_did_what() {
    let home = home();
    let rules = home.path().join("rules.json");
    let write = |tools: Value| {
        let rules_now = json!({"access_rules": {
            "token:reader": {"servers": ["stub"], "tools": tools},
            "token:all": {"servers": "*", "tools": "*"},
        }});
        std::fs::write(&rules, rules_now.to_string()).expect("rules");
    };
    write(json!({"stub": ["echo"]}));
    let [reader, all] =
        ["reader", "all"].map(|name| text(&run(home.path(), &["token", "add", name]).stdout).trim().to_owned());
    let (path, audit) = (rules.display().to_string(), home.path().join("audit.jsonl").display().to_string());
    let env = [("MCP_BRIDGE_ACCESS", path.as_str()), ("MCP_BRIDGE_AUDIT", audit.as_str())];
    let bridge = Bridge::with(home, &["--expose", "both"], &env);

    // The same part by MCP and by REST.
    let opened = Request::rpc(1, "initialize", hello("2025-11-25")).bearer(&reader).ask(bridge.port);
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let rpc = |id: u64, method: &str, params: Value| {
        Request::rpc(id, method, params).session(&session).bearer(&reader).ask(bridge.port).json()
    };
    let listed = rpc(2, "tools/list", json!({}));
    let own = ["run_python", "list_servers", "get_server_tools", "search_tools"];
    assert_eq!(names(&listed), [&own[..], &["stub__echo"]].concat());
    let rest = Request::new("GET", "/tools").bearer(&reader).ask(bridge.port).json();
    assert_eq!(names(&rest), ["run_python", "stub__echo"]);
    let everything = Request::new("GET", "/tools").bearer(&all).ask(bridge.port).json();
    assert!(names(&everything).contains(&"stub__fail"), "{everything}");

    // A server has as many tools as the caller may use.
    let health = Request::new("GET", "/health").bearer(&reader).ask(bridge.port).json();
    assert_eq!((&health["servers"][0]["tools"], &health["audit"]["missing"]), (&json!(1), &json!(0)), "{health}");

    // What is denied is not there, in any way to ask for it, and the trail knows.
    let echoed = rpc(3, "tools/call", json!({"name": "stub__echo", "arguments": {"text": "x"}}));
    assert_eq!(echoed["result"]["structuredContent"]["arguments"]["text"], "x", "{echoed}");
    let hidden = rpc(4, "tools/call", json!({"name": "stub__fail", "arguments": {}}));
    let unknown = rpc(5, "tools/call", json!({"name": "stub__none", "arguments": {}}));
    assert_eq!((&hidden["error"]["code"], &unknown["error"]["code"]), (&json!(-32602), &json!(-32602)));
    let called = Request::new("POST", "/tools/call").json(&json!({"name": "stub__fail", "arguments": {}}));
    assert_eq!(called.bearer(&reader).ask(bridge.port).status, 404);
    let code = "await mcp_stub.fail()";
    let ran = rpc(6, "tools/call", json!({"name": "run_python", "arguments": {"code": code}}));
    assert_eq!(ran["result"]["structuredContent"]["error"]["type"], "ToolNotFound", "{ran}");
    eventually("five lines", || (trail(&bridge, "call").len() == 4 && trail(&bridge, "run").len() == 1).then_some(()));
    let calls = trail(&bridge, "call");
    let said: Vec<_> = calls.iter().map(|line| [&line["caller"], &line["tool"], &line["outcome"]]).collect();
    let (by, denied) = (json!("token:reader"), json!("denied"));
    let (echo, fail, ok) = (json!("echo"), json!("fail"), json!("ok"));
    assert_eq!(said, [[&by, &echo, &ok], [&by, &fail, &denied], [&by, &fail, &denied], [&by, &fail, &denied]]);
    assert!(calls.iter().all(|line| line["arguments_sha256"].is_string()), "{calls:#?}");

    // Other rules count at once.
    write(json!({"stub": ["echo", "go"]}));
    eventually("the other rules", || names(&rpc(7, "tools/list", json!({}))).contains(&"stub__go").then_some(()));
    let verified = run(bridge.home.path(), &["audit", "verify", &audit]);
    assert!(verified.status.success(), "{verified:?}");
}

/// Who is vouched for by a JWT and who by a token are two, though they have one name.
#[test]
fn a_jwts_subject_and_a_token_of_the_same_name_have_entries_of_their_own() {
    let home = home();
    let rules = json!({"access_rules": {
        "jwt:ann": {"servers": ["stub"], "tools": {"stub": ["echo"]}},
        "token:ann": {"servers": ["stub"], "tools": {"stub": ["go"]}},
    }});
    std::fs::write(home.path().join("rules.json"), rules.to_string()).expect("rules");
    std::fs::write(home.path().join("secret"), SECRET).expect("a secret");
    let [path, audit, keys] =
        ["rules.json", "audit.jsonl", "secret"].map(|name| home.path().join(name).display().to_string());
    let env = [
        ("MCP_BRIDGE_ACCESS", path.as_str()),
        ("MCP_BRIDGE_AUDIT", &audit),
        ("MCP_BRIDGE_HTTP_JWT_ISSUER", "https://issuer.example.com"),
        ("MCP_BRIDGE_HTTP_JWT_AUDIENCE", "bridge"),
        ("MCP_BRIDGE_HTTP_JWT_KEYS", &keys),
    ];
    let bridge = Bridge::with(home, &["--expose", "tools"], &env);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let signed = |subject: &str| {
        let claims = json!({"iss": "https://issuer.example.com", "aud": "bridge", "sub": subject, "exp": now + 600});
        jwt(Algorithm::HS256, claims)
    };
    let own = ["list_servers", "get_server_tools", "search_tools"];
    // Who has no entry has nothing, `token:ann` as a subject neither; `default` is the name of nobody in particular.
    let callers = [
        (signed("ann"), &["stub__echo"][..]),
        (bridge.token("ann"), &["stub__go"]),
        (signed("bob"), &[]),
        (signed("token:ann"), &[]),
        (signed("jwt:ann"), &[]),
    ];
    for (bearer, theirs) in &callers {
        let rest = Request::new("GET", "/tools").bearer(bearer).ask(bridge.port).json();
        assert_eq!(names(&rest), *theirs);
        let session = opened(&bridge, bearer);
        let rpc = |id: u64, method: &str, params: Value| {
            Request::rpc(id, method, params).session(&session).bearer(bearer).ask(bridge.port).json()
        };
        let listed = rpc(2, "tools/list", json!({}));
        let offered = if theirs.is_empty() { &[][..] } else { &own };
        assert_eq!(names(&listed), [offered, theirs].concat());
        for (tool, arguments) in [("stub__echo", json!({"text": "x"})), ("stub__go", json!({}))] {
            let called = rpc(3, "tools/call", json!({"name": tool, "arguments": arguments}));
            assert_eq!(called.get("error").is_none(), theirs.contains(&tool), "{tool}: {called}");
        }
    }
    let calls = trail(&bridge, "call");
    let said: Vec<_> = calls.iter().map(|line| ["caller", "tool", "outcome"].map(|it| line[it].as_str())).collect();
    let wanted = [
        ["jwt:ann", "echo", "ok"],
        ["jwt:ann", "go", "denied"],
        ["token:ann", "echo", "denied"],
        ["token:ann", "go", "ok"],
        ["jwt:bob", "echo", "denied"],
        ["jwt:bob", "go", "denied"],
        ["jwt:token:ann", "echo", "denied"],
        ["jwt:token:ann", "go", "denied"],
        ["jwt:jwt:ann", "echo", "denied"],
        ["jwt:jwt:ann", "go", "denied"],
    ];
    assert_eq!(said, wanted.map(|line| line.map(Some)));
}
