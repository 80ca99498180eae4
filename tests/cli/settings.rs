//! Variables by their effect, where no other test has them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shell::{home, refused, run};
use crate::support::{Client, Home};

/// A home with a server that fails, waits, and says much.
fn with_failures() -> Home {
    let home = home();
    let here = home.path().join("crashed");
    let read_only =
        |name: &str| json!({"name": name, "annotations": {"readOnlyHint": true}, "inputSchema": {"type": "object"}});
    let script = json!({
        "tools": [read_only("once"), read_only("always"), "big", "wait", "go"],
        "calls": {"once": {"crash_once": here, "text": "again"}, "always": {"crash": 1}, "big": {"size": 5000},
            "wait": {"hold": "gate", "text": "went"}, "go": {"releases": "gate", "text": "gone"}},
    });
    home.stub("odd", &script).env("MCP_BRIDGE_RETRY_WAIT_MIN", "10ms")
}

/// What each of these expressions came to, at the same time: its value, or the code of its exception.
#[track_caller]
fn came_to(client: &mut Client, calls: &str) -> Value {
    let code = format!(
        "def told(it): return it if isinstance(it, str) else it.code\n[told(it) for it in await asyncio.gather({calls}, return_exceptions=True)]"
    );
    client.value(&code)
}

#[test]
fn a_failed_call_is_made_again_so_often_and_after_so_long() {
    assert!(run(&with_failures(), "call odd once").exits(0).stdout.contains("again"));
    let never = with_failures().env("MCP_BRIDGE_RETRY_ATTEMPTS", "1");
    refused(&never, "call odd once", 5, "upstream.exited");
    // 0.3 s, then at most 0.4 s where it would be 300 s; half as much again by chance.
    let slow = with_failures()
        .env("MCP_BRIDGE_RETRY_WAIT_MIN", "300ms")
        .env("MCP_BRIDGE_RETRY_WAIT_MAX", "400ms")
        .env("MCP_BRIDGE_RETRY_BASE", "1000")
        .env("MCP_BRIDGE_BREAKER_THRESHOLD", "0");
    let done = refused(&slow, "call odd always", 5, "upstream.exited");
    assert!(done.took >= Duration::from_millis(700) && done.took < Duration::from_secs(60), "{:?}", done.took);
}

#[test]
fn a_server_that_fails_is_left_alone_for_so_long_and_tried_by_so_many() {
    let one = with_failures().env("MCP_BRIDGE_RETRY_ATTEMPTS", "1").env("MCP_BRIDGE_BREAKER_THRESHOLD", "1");
    let mut client = one.serve();
    assert_eq!(came_to(&mut client, "mcp_odd.always()"), json!(["upstream.exited"]));
    assert_eq!(came_to(&mut client, "mcp_odd.go()"), json!(["gateway.breaker_open"]), "for a minute");
    drop(client);
    let soon = one.env("MCP_BRIDGE_BREAKER_RECOVERY", "1ms");
    let mut client = soon.serve();
    assert_eq!(came_to(&mut client, "mcp_odd.always()"), json!(["upstream.exited"]));
    let two = "mcp_odd.wait(timeout=3), mcp_odd.go()";
    assert_eq!(came_to(&mut client, two), json!(["upstream.call_timeout", "gateway.breaker_open"]));
    drop(client);
    let two_trials = soon.env("MCP_BRIDGE_BREAKER_TRIALS", "2");
    let mut client = two_trials.serve();
    assert_eq!(came_to(&mut client, "mcp_odd.always()"), json!(["upstream.exited"]));
    assert_eq!(came_to(&mut client, two), json!(["went", "gone"]));
}

#[test]
fn what_goes_to_a_server_and_comes_from_it_is_bounded() {
    let home = with_failures().env("MCP_BRIDGE_MAX_RESULT", "1k").env("MCP_BRIDGE_CONCURRENCY", "1");
    let mut client = home.serve();
    assert_eq!(came_to(&mut client, "mcp_odd.big()"), json!(["gateway.result_too_large"]));
    let two = "mcp_odd.wait(timeout=2), mcp_odd.go(timeout=1)";
    assert_eq!(came_to(&mut client, two), json!(["upstream.call_timeout", "gateway.busy"]));
    drop(client);
    let home = with_failures().env("MCP_BRIDGE_RATE_LIMIT", "0.001");
    let mut client = home.serve();
    let two = "mcp_odd.go(), mcp_odd.go()";
    assert_eq!(came_to(&mut client, two), json!(["gone", "gateway.rate_limited"]));
}

#[test]
fn a_server_in_use_is_looked_at() {
    let (home, events) = home().env("MCP_BRIDGE_HEALTH_INTERVAL", "50ms").watched("seen", &json!({"tools": ["one"]}));
    let mut client = home.serve();
    client.python("await mcp_seen.one()");
    events.received("ping");
}

#[test]
fn a_session_as_old_as_it_may_be_begins_anew() {
    let home = home().env("MCP_BRIDGE_SESSION_LIFE", "1ms");
    let mut client = home.serve();
    for _ in 0..2 {
        let report = client.report(json!({"code": "1", "session": "books"}));
        assert_eq!(report["session"]["run"], 1, "{report:#}");
    }
}

#[test]
fn files_that_are_kept_make_room_for_newer_ones() {
    let limits = [("MCP_BRIDGE_UPLOAD_FILE", "8k"), ("MCP_BRIDGE_UPLOAD_RUN", "8k"), ("MCP_BRIDGE_UPLOAD_TOTAL", "8k")];
    let home = limits.iter().fold(home(), |home, (name, value)| home.env(name, value));
    let mut client = home.serve();
    let mut sent = |letter: &str| {
        let file = json!({"name": "f", "text": letter.repeat(6000)});
        let report = client.report(json!({"code": "1", "files": [file]}));
        report["files"][0]["uri"].as_str().expect("an address").to_owned()
    };
    let (first, second) = (sent("a"), sent("b"));
    let mut named = |uri: &str| {
        let link = json!({"type": "resource_link", "uri": uri, "name": "f"});
        client.report(json!({"code": "open('f').read(1)", "files": [link]}))
    };
    assert_eq!(named(&second)["result"], "b");
    assert_eq!(named(&first)["error"]["code"], "uploads.unknown");
}

#[test]
fn a_folder_is_the_root_that_programs_see() {
    let home = home().env("MCP_BRIDGE_ROOTFS", "/nonexistent");
    assert!(run(&home, "image path").exits(0).stdout.starts_with("runs use the folder /nonexistent"));
    run(&home, "run -c 1").exits(3).complains(&["/nonexistent", "hint: "]);
}

#[test]
fn a_trail_is_turned_over_and_tells_arguments_where_that_is_wanted() {
    let home = home()
        .env("MCP_BRIDGE_AUDIT", "trail.jsonl")
        .env("MCP_BRIDGE_AUDIT_SIZE", "4k")
        .env("MCP_BRIDGE_AUDIT_KEEP", "1")
        .env("MCP_BRIDGE_AUDIT_ARGUMENTS", "1");
    run(&home, "run -c 'for n in range(60): await mcp_stub.echo(text=str(n))'").exits(0);
    assert!(run(&home, "audit verify").exits(0).stdout.contains("in 2 files"), "one is written, one is kept");
    let trail = std::fs::read_to_string(home.path().join("trail.jsonl")).expect("a trail");
    let lines: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let call = lines.iter().find(|line| line["kind"] == "call").expect("a call");
    assert!(call["arguments"]["text"].is_string(), "{call}");
    for (member, fits) in [
        ("seq", call["seq"].is_u64()),
        ("time", call["time"].as_str().is_some_and(|time| time.ends_with('Z'))),
        ("caller", call["caller"] == "default"),
        ("run", call["run"].as_str().is_some_and(|run| run.len() == 36)),
        ("server", call["server"] == "stub"),
        ("tool", call["tool"] == "echo"),
        ("decision", call["decision"] == "allow"),
        ("rule", call["rule"].is_string()),
        ("outcome", call["outcome"] == "ok"),
        ("duration_us", call["duration_us"].is_u64()),
        ("request_bytes", call["request_bytes"].is_u64()),
        ("result_bytes", call["result_bytes"].is_u64()),
        ("arguments_sha256", call["arguments_sha256"].as_str().is_some_and(|sum| sum.len() == 64)),
        ("hash", call["hash"].as_str().is_some_and(|hash| hash.len() == 64)),
    ] {
        assert!(fits, "{member}: {call}");
    }
}
