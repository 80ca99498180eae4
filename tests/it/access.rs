//! Rules and the audit trail in the real binary: who calls, what it sees, what it may, what is written down.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Engine, Home, every_engine, server_json};

fn rules(home: Home, entries: &Value) -> Home {
    let file = home.path().join("rules.json").display().to_string();
    home.file("rules.json", &json!({ "access_rules": entries }).to_string()).env("MCP_BRIDGE_ACCESS", &file)
}

/// A home with two servers, rules and a trail.
fn guarded(engine: Option<&Engine>, entries: &Value) -> Home {
    let home = engine.map_or_else(Home::new, Home::on);
    let home = home
        .stub("git-hub", &json!({"tools": ["get_issue", "delete_issue"]}))
        .stub("mail", &json!({"tools": ["send"]}));
    let trail = home.path().join("trail.jsonl").display().to_string();
    rules(home, entries).env("MCP_BRIDGE_AUDIT", &trail)
}

fn capabilities(client: &mut Client) -> String {
    let read = client.request("resources/read", json!({"uri": "mcp-bridge://capabilities"}));
    read["contents"][0]["text"].as_str().expect("a text").to_owned()
}

/// The lines of the trail about uses.
fn trail(home: &Home) -> Vec<Value> {
    let text = std::fs::read_to_string(home.path().join("trail.jsonl")).expect("the trail");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["kind"] == "run" || line["kind"] == "call").collect()
}

every_engine!([embedded] a_program_finds_what_its_caller_has_and_every_use_is_written_down, |engine| {
    let home = guarded(
        Some(engine),
        &json!({"bob": {"servers": ["git-hub"], "tools": ["get_*"], "limits": {"timeout": 20, "memory": "128m", "calls_per_run": 2}}}),
    )
    .env("MCP_BRIDGE_CLIENT", "bob");
    let mut client = home.serve();
    let code = "found = [await runtime.list_servers(), [t['name'] for t in await runtime.list_tools('git-hub')],\n\
        \x20   [t['name'] for t in await runtime.search_tool_docs('delete send get issue mail')]]\n\
        async def kind(call):\n    try:\n        await call\n        return 'ok'\n    except Exception as e:\n        return type(e).__name__\n\
        calls = [await kind(mcp_git_hub.get_issue()), await kind(mcp_git_hub.delete_issue()),\n\
        \x20   await kind(runtime.call_tool('mail', 'send', {})), await kind(mcp_git_hub.get_issue()), await kind(mcp_git_hub.get_issue())]\n\
        [found, calls]";
    let report = client.report(json!({"code": code, "timeout": 100}));
    assert_eq!(report["status"], "success", "{report:#}\n{}", client.log());
    let names = &report["result"][0];
    assert_eq!((&names[0], &names[1]), (&json!(["git-hub"]), &json!(["get_issue"])), "{report:#}");
    assert!(!names[2].to_string().contains("delete") && !names[2].to_string().contains("send"), "{report:#}");
    assert_eq!(report["result"][1], json!(["ok", "ToolNotFound", "ServerNotFound", "ok", "CallLimit"]), "{report:#}");
    assert!(report["notes"].to_string().contains("cut to 20 s"), "{report:#}");
    // More than this caller's sandbox has, and less than others have.
    let report = client.report(json!({"code": "len(bytearray(200 << 20))"}));
    assert_ne!(report["status"], "success", "{report:#}");
    let refused = client.report(json!({"code": "1", "servers": ["mail"]}));
    assert_eq!(refused["error"]["code"], "request.server_not_found");
    assert!(!refused.to_string().contains("did you mean"), "{refused:#}");
    assert_eq!(client.wait(), Some(0));

    let lines = trail(&home);
    let told: Vec<[&str; 4]> =
        lines.iter().map(|it| ["kind", "caller", "decision", "outcome"].map(|name| it[name].as_str().unwrap_or("?"))).collect();
    assert_eq!(
        told[..6],
        [
            ["call", "bob", "allow", "ok"],
            ["call", "bob", "deny", "denied"],
            ["call", "bob", "deny", "denied"],
            ["call", "bob", "allow", "ok"],
            ["call", "bob", "allow", "access.calls_per_run"],
            ["run", "bob", "allow", "success"],
        ],
        "{lines:#?}"
    );
    assert_eq!(told.last(), Some(&["run", "bob", "deny", "denied"]), "{lines:#?}");
    let runs: Vec<&str> = lines.iter().filter_map(|line| line["run"].as_str()).collect();
    assert!(runs[..6].iter().all(|run| *run == runs[0]) && runs[6] != runs[0], "{runs:?}");
    home.finish(&["audit", "verify"]).exits(0);
    let file = home.path().join("trail.jsonl");
    let text = std::fs::read_to_string(&file).expect("the trail");
    std::fs::write(&file, text.replacen("denied", "ok", 1)).expect("forged");
    home.finish(&["audit", "verify"]).exits(1).complains(&["trail.jsonl:3: this line was changed"]);
});

every_engine!([embedded] an_agent_says_who_it_is_only_where_it_may_and_runs_in_a_session_have_ids_of_their_own, |engine| {
    let entries = json!({"ann": {"servers": ["mail"], "tools": "*"}, "default": {"servers": [], "tools": ["list_servers"]}});
    let home = guarded(Some(engine), &entries).env("MCP_BRIDGE_AGENT_ID", "1");
    let mut client = home.serve();
    let tools = client.request("tools/list", json!({}));
    assert_eq!(tools["tools"][0]["inputSchema"]["properties"]["agent_id"]["type"], "string");
    let list = "await runtime.list_servers()";
    for _ in 0..2 {
        let report = client.report(json!({"code": list, "agent_id": "ann", "session": "s"}));
        assert_eq!(report["result"], json!(["mail"]), "{report:#}");
    }
    let refused = client.report(json!({"code": list}));
    assert_eq!(refused["error"]["code"], "execution.denied", "the default names other tools: {refused:#}");
    let wrong = client.report(json!({"code": list, "agent_id": 7}));
    assert_eq!(wrong["error"]["code"], "request.argument");
    assert_eq!(client.wait(), Some(0));
    let lines = trail(&home);
    assert_eq!((&lines[0]["caller"], &lines[2]["caller"]), (&json!("ann"), &json!("default")));
    assert_ne!(lines[0]["run"], lines[1]["run"]);
    // Who is known by the transport stays who it is, and an argument that is not switched on is none.
    let home = home.env("MCP_BRIDGE_CLIENT", "bob");
    let mut client = home.serve();
    let refused = client.report(json!({"code": list, "agent_id": "ann"}));
    assert_eq!(refused["error"]["code"], "execution.denied", "{refused:#}");
    assert_eq!(client.wait(), Some(0));
    let mut client = home.env("MCP_BRIDGE_AGENT_ID", "0").serve();
    let tools = client.request("tools/list", json!({}));
    assert_eq!(tools["tools"], json!([]), "bob is not offered what he may not use");
    let refused = client.send("tools/call", json!({"name": "run_python", "arguments": {"code": list}}));
    assert_eq!(client.response(refused)["error"]["code"], -32602);
});

#[test]
fn the_bridges_own_tools_are_kept_from_agents_who_say_their_name_too() {
    let entries = json!({
        "ann": {"servers": "*", "tools": "*"},
        "default": {"servers": "*", "tools": "*", "deny": {"tools": {"mcp-bridge": ["search_tools"]}}},
    });
    let home = guarded(None, &entries).env("MCP_BRIDGE_AGENT_ID", "1").env("MCP_BRIDGE_EXPOSE", "tools");
    let mut client = home.serve();
    let search = |arguments: Value| json!({"name": "search_tools", "arguments": arguments});
    let found = client.request("tools/call", search(json!({"query": "issue", "agent_id": "ann"})));
    assert!(found["isError"].is_null() && found.to_string().contains("get_issue"), "{found}");
    let refused = client.send("tools/call", search(json!({"query": "issue"})));
    let refused = client.response(refused);
    assert_eq!(refused["error"]["data"]["code"], "server.tool_unknown", "{refused}");
    assert_eq!(client.wait(), Some(0));
    let lines = trail(&home);
    let told = |line: &Value| ["caller", "server", "tool", "decision"].map(|name| line[name].clone());
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), [["default", "mcp-bridge", "search_tools", "deny"]]);
}

every_engine!([embedded] what_was_answered_is_written_down_though_the_bridge_is_killed_then, |engine| {
    let home = guarded(Some(engine), &json!({"default": {"servers": ["git-hub"], "tools": "*"}}));
    let mut client = home.serve();
    // Refused before there is a run, each in one line.
    for (arguments, code) in [
        (json!({"code": 7}), "request.argument"),
        (json!({"code": "1", "timeout": "soon"}), "request.argument"),
        (json!({"code": "1", "servers": ["nobody"]}), "request.server_not_found"),
        (json!({"code": "1", "servers": ["mail"]}), "request.server_not_found"),
        (json!({"code": "1", "files": [{"name": "../a", "text": ""}]}), "uploads.name"),
    ] {
        assert_eq!(client.report(arguments)["error"]["code"], code);
    }
    let code = "async def kind(call):\n    try:\n        await call\n    except Exception as e:\n        return type(e).__name__\n\
        [await kind(mcp_git_hub.get_issue()), await kind(mcp_git_hub.get_issue(1))]";
    let report = client.report(json!({"code": code, "timeout": 60}));
    assert_eq!(report["result"], json!([null, "InvalidArguments"]), "{report:#}");
    client.signal(nix::sys::signal::Signal::SIGKILL);
    let lines = trail(&home);
    let told: Vec<[&str; 2]> =
        lines.iter().map(|it| ["kind", "outcome"].map(|name| it[name].as_str().unwrap_or("?"))).collect();
    assert_eq!(
        told,
        [
            ["run", "request.argument"],
            ["run", "request.argument"],
            ["run", "request.server_not_found"],
            ["run", "denied"],
            ["run", "uploads.name"],
            ["call", "ok"],
            ["call", "catalog.too_many_arguments"],
            ["run", "success"],
        ],
        "{lines:#?}"
    );
    assert!(lines.iter().all(|line| line["arguments_sha256"].is_string()), "{lines:#?}");
    home.finish(&["audit", "verify"]).exits(0);
});

// A real server: what it declares of its tools decides.
every_engine!([embedded] a_real_servers_own_words_decide_where_rules_go_by_them, |engine| {
    let Some(entry) = server_json("filesystem") else { return };
    let entries = json!({"default": {"servers": "*", "tools": "*", "annotations": {"destructive": "deny", "additive": "deny"}}});
    let home = rules(Home::on(engine).server("files", &entry), &entries);
    let mut client = home.serve();
    let names = client.value("[t['name'] for t in await runtime.list_tools('files')]").to_string();
    assert!(names.contains("\"list_directory\"") && !names.contains("write_file"), "{names}");
    drop(client);
    home.finish(&["policy", "test", "x", "files", "write_file"]).exits(1);
    let said = home.finish(&["policy", "test", "x", "files", "list_directory"]).exits(0).stdout;
    assert_eq!(said, "allow: default.tools: * (by the entry of those who have none)\n");
});

#[test]
fn rules_are_followed_and_a_bad_file_changes_nothing() {
    let home = guarded(None, &json!({"default": {"servers": ["mail"], "tools": "*"}}));
    let mut client = home.serve();
    assert!(capabilities(&mut client).contains("mcp_mail") && !capabilities(&mut client).contains("git"));
    let home = home.file("rules.json", "{\"access_rules\": {\"default\": {\"servers\": []}}}");
    let told = client.logged("access rules not reloaded: ");
    assert!(told.contains("rules.json:1:19: the entry of \"default\" has no \"tools\""), "{told}");
    assert!(capabilities(&mut client).contains("mcp_mail"));
    let home = rules(home, &json!({"default": {"servers": ["git_hub", "git-hub"], "tools": ["get_issue"]}}));
    client.logged_each(&["access rules reloaded", "name server \"git_hub\", which is an alias"]);
    let now = capabilities(&mut client);
    assert!(now.contains("mcp_git_hub") && !now.contains("mail"), "{now}");
    client.signal(nix::sys::signal::Signal::SIGHUP);
    client.logged("access rules reloaded: nothing changed");
    std::fs::remove_file(home.path().join("rules.json")).expect("removed");
    client.logged("access rules not reloaded: ");
    assert_eq!(capabilities(&mut client), now, "a file that is gone gives nobody anything");
    assert_eq!(client.wait(), Some(0));
}

#[test]
fn a_bridge_does_not_start_without_the_rules_and_the_trail_it_was_told_of() {
    let home = guarded(None, &json!({"deny": {}}));
    let said =
        home.finish(&["serve"]).exits(2).complains(&["rules.json:1:18: \"deny\" cannot be the name of a caller"]);
    assert_eq!(said.stdout, "");
    home.finish(&["policy", "check"]).exits(1).complains(&["access.reserved_name"]);
    let home = rules(home, &json!({"a": {"servers": ["mail", "mial"], "tools": {"mail": ["send"]}}}));
    home.finish(&["policy", "check"]).exits(0).complains(&["did you mean \"mail\""]);
    home.finish(&["policy", "test", "a", "mcp-bridge", "run_pyton"]).exits(2).complains(&["has no tool \"run_pyton\""]);
    assert_eq!(home.finish(&["policy", "test", "a", "mail", "send"]).exits(0).stdout, "allow: a.tools.mail: send\n");
    assert_eq!(
        home.finish(&["policy", "test", "a", "git-hub", "x"]).exits(1).stdout,
        "deny: a.servers: nothing names it\n"
    );
    let resource = home.finish(&["policy", "test", "a", "mail", "memo:x", "--resource"]).exits(1);
    assert!(resource.stdout.starts_with("deny: a.resources: not a word"), "{}", resource.stdout);
    let client = home.serve();
    home.finish(&["run", "-c", "1"]).exits(2).complains(&["another bridge writes the audit trail", "audit.locked"]);
    drop(client);
    let home = home.env("MCP_BRIDGE_AUDIT", "/dev/null");
    home.finish(&["serve"]).exits(2).complains(&["/dev/null is not a regular file", "audit.not_a_file"]);
    assert!(Path::new("/dev/null").exists());
}
