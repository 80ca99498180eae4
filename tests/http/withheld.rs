//! What rules withhold from whoever speaks no MCP: each refusal has a status of its own, and the trail says why.

use serde_json::{Value, json};

use super::bridge::{Bridge, home};
use super::raw::{Answer, Request};

/// A bridge whose callers all have this entry.
fn under(entry: &Value) -> Bridge {
    let home = home();
    let [rules, trail] = ["rules.json", "audit.jsonl"].map(|name| home.path().join(name).display().to_string());
    std::fs::write(&rules, json!({"access_rules": {"default": entry}}).to_string()).expect("rules");
    // Shorter than a minute, in which one call may be made: the next one's turn comes after every deadline.
    let env = [("MCP_BRIDGE_ACCESS", rules.as_str()), ("MCP_BRIDGE_AUDIT", &trail), ("MCP_BRIDGE_MAX_TIMEOUT", "30")];
    Bridge::with(home, &[], &env)
}

fn call(bridge: &Bridge, name: &str, arguments: &Value) -> Answer {
    let body = json!({"name": name, "arguments": arguments});
    Request::new("POST", "/tools/call").json(&body).ask(bridge.port)
}

/// Decision and outcome of each line of this kind.
fn trail(bridge: &Bridge, kind: &str) -> Vec<[String; 2]> {
    let text = std::fs::read_to_string(bridge.home.path().join("audit.jsonl")).expect("the trail");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines = lines.filter(|line| line["kind"] == kind);
    lines.map(|line| ["decision", "outcome"].map(|it| line[it].as_str().expect("a text").to_owned())).collect()
}

#[test]
fn a_tool_that_is_to_be_asked_about_is_forbidden_where_nobody_can_be_asked() {
    let bridge = under(&json!({"servers": "*", "tools": "*", "ask": {"stub": ["go"]}}));
    let refused = call(&bridge, "stub__go", &json!({}));
    assert_eq!((refused.status, refused.code().as_str()), (403, "broker.not_asked"), "{refused:?}");
    assert!(refused.body.contains("the client cannot ask its user"), "{refused:?}");
    assert_eq!(call(&bridge, "stub__echo", &json!({"text": "x"})).status, 200);
    assert_eq!(trail(&bridge, "call"), [["ask", "broker.not_asked"], ["allow", "ok"]]);
}

#[test]
fn who_has_made_its_calls_is_told_to_wait() {
    let bridge = under(&json!({"servers": "*", "tools": "*", "limits": {"calls_per_minute": 1}}));
    assert_eq!(call(&bridge, "stub__go", &json!({})).status, 200);
    let refused = call(&bridge, "stub__go", &json!({}));
    assert_eq!((refused.status, refused.code().as_str()), (429, "access.call_rate"), "{refused:?}");
    assert_eq!(trail(&bridge, "call"), [["allow", "ok"], ["allow", "access.call_rate"]]);
}

#[test]
fn who_has_begun_its_programs_is_told_to_wait() {
    let bridge = under(&json!({"servers": "*", "tools": "*", "limits": {"runs_per_minute": 1}}));
    let run = |code: &str| call(&bridge, "run_python", &json!({"code": code})).json()["structuredContent"].take();
    assert_eq!(run("20 + 1")["result"], 21);
    assert_eq!(run("1")["error"]["code"], "access.run_rate");
    assert_eq!(trail(&bridge, "run"), [["allow", "success"], ["allow", "access.run_rate"]]);
}
