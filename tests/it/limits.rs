//! What a caller may have of the bridge, at its limits: programs at a time, programs and calls a minute.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Engine, Events, Home, every_engine};

/// `ann` has these limits, and every other caller none.
fn limited(engine: &Engine, limits: &Value) -> (Client, Home, Events) {
    let script = json!({"tools": ["wait", "open", "echo"],
        "calls": {"wait": {"hold": "gate"}, "open": {"releases": "gate"}}});
    let (home, events) = Home::on(engine).watched("stub", &script);
    let all = json!({"servers": "*", "tools": "*"});
    let mut ann = all.clone();
    ann["limits"] = limits.clone();
    let rules = json!({"access_rules": {"ann": ann, "default": all}});
    let [file, trail] = ["rules.json", "trail.jsonl"].map(|name| home.path().join(name).display().to_string());
    let home = home.file("rules.json", &rules.to_string()).env("MCP_BRIDGE_ACCESS", &file);
    let home = home.env("MCP_BRIDGE_AUDIT", &trail).env("MCP_BRIDGE_AGENT_ID", "1").env("MCP_BRIDGE_EXPOSE", "both");
    // Shorter than a minute, in which one call may be made: the next one's turn comes after every deadline.
    let home = home.env("MCP_BRIDGE_MAX_TIMEOUT", "30");
    (home.serve(), home, events)
}

fn by_ann(code: &str) -> Value {
    json!({"code": code, "agent_id": "ann"})
}

/// The outcomes of the trail's lines of this kind.
fn outcomes(home: &Home, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(home.path().join("trail.jsonl")).expect("the trail");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_ann = lines.filter(|line| line["kind"] == kind && line["caller"] == "ann");
    of_ann.map(|line| line["outcome"].as_str().expect("a text").to_owned()).collect()
}

every_engine!([embedded] a_caller_has_so_many_programs_at_a_time, |engine| {
    let (mut client, home, events) = limited(engine, &json!({"runs": 1}));
    let first = client.send_call(by_ann("await mcp_stub.wait()\n'went'"));
    events.called("wait");
    for arguments in [by_ann("1"), json!({"code": "1", "agent_id": "ann", "session": "s"})] {
        let refused = client.report(arguments)["error"].take();
        assert_eq!((&refused["type"], &refused["code"]), (&json!("Busy"), &json!("access.runs")), "{refused:#}");
        assert_eq!(refused["message"], "ann may have 1 programs running at a time, and has");
    }
    assert_eq!(client.value("2"), 2, "others have their own");
    client.request("tools/call", json!({"name": "stub__open", "arguments": {}}));
    assert_eq!(client.result(first)["structuredContent"]["result"], "went");
    assert_eq!(client.report(by_ann("3"))["result"], 3, "its place is free again");
    assert_eq!(client.wait(), Some(0));
    assert_eq!(outcomes(&home, "run"), ["access.runs", "access.runs", "success", "success"]);
});

every_engine!([embedded] a_caller_begins_so_many_programs_a_minute, |engine| {
    let (mut client, home, _events) = limited(engine, &json!({"runs_per_minute": 1}));
    assert_eq!(client.report(by_ann("1"))["result"], 1);
    let refused = client.report(by_ann("2"))["error"].take();
    assert_eq!((&refused["type"], &refused["code"]), (&json!("Busy"), &json!("access.run_rate")), "{refused:#}");
    let message = refused["message"].as_str().expect("a text");
    assert!(message.starts_with("ann may begin 1 programs a minute; the next may begin in "), "{message}");
    assert_eq!(client.value("3"), 3, "others have their own");
    assert_eq!(client.wait(), Some(0));
    assert_eq!(outcomes(&home, "run"), ["success", "access.run_rate"]);
});

every_engine!([embedded] a_caller_makes_so_many_calls_a_minute_whatever_makes_them, |engine| {
    let (mut client, home, _events) = limited(engine, &json!({"calls_per_minute": 1}));
    let code = "said = []\nfor _ in range(2):\n    try:\n        said.append((await mcp_stub.echo(a=1)).tool)\n    \
        except runtime.McpError as error:\n        said.append((type(error).__name__, str(error)))\nsaid";
    let said = client.report(by_ann(code))["result"].take();
    assert_eq!((&said[0], &said[1][0]), (&json!("echo"), &json!("CallLimit")), "{said:#}");
    let message = said[1][1].as_str().expect("a text");
    assert!(message.contains("ann may make 1 calls a minute; the turn of this one would come in "), "{message}");
    let call = |who: &str| json!({"name": "stub__echo", "arguments": {"agent_id": who}});
    let refused = client.request("tools/call", call("ann"));
    assert_eq!(
        (&refused["isError"], &refused["_meta"]["mcp-bridge/code"]),
        (&json!(true), &json!("access.call_rate")),
        "{refused:#}"
    );
    let others = client.request("tools/call", call("bob"));
    assert_eq!(others["structuredContent"]["tool"], "echo", "others have their own: {others:#}");
    assert_eq!(client.wait(), Some(0));
    assert_eq!(outcomes(&home, "call"), ["ok", "access.call_rate", "access.call_rate"]);
});

every_engine!([embedded] a_call_whose_turn_comes_in_time_waits_for_it, |engine| {
    // Thirty at once, and then one every two seconds.
    let (mut client, _home, _events) = limited(engine, &json!({"calls_per_minute": 30}));
    let begun = Instant::now();
    let code = "import time\nbegun = time.monotonic()\nfor _ in range(31):\n    await mcp_stub.echo()\ntime.monotonic() - begun";
    let took = client.report(by_ann(code))["result"].as_f64();
    assert!(took.is_some_and(|took| took >= 2.0), "{took:?}");
    // Its turn is two seconds after that of the one before, whatever made that.
    client.request("tools/call", json!({"name": "stub__echo", "arguments": {"agent_id": "ann"}}));
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
});
