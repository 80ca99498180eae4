//! Servers as people have them configured, through the commands that people type. None of this needs an engine.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Home, Outcome, every_engine, finish, on_engine, repo, stub_server};

/// A home in which `start` of a stub can be seen: its only tool is named after the file that defines it.
fn entry(home: &Home, tool: &str) -> Value {
    let script = home.path().join(format!("script-{tool}.json"));
    std::fs::write(&script, json!({"tools": [tool]}).to_string()).expect("a script");
    stub_server(&script)
}

/// The binary, in this folder below the home.
fn command_in(home: &Home, folder: &str, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    let folder = home.path().join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    command.current_dir(folder);
    command
}

#[track_caller]
fn type_in(home: &Home, folder: &str, arguments: &[&str]) -> Outcome {
    finish(command_in(home, folder, arguments), "")
}

/// What `servers --json` says, by name.
#[track_caller]
fn servers(home: &Home, folder: &str) -> Value {
    let done = type_in(home, folder, &["servers", "--json"]).exits(0);
    let all: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let named = all["servers"].as_array().expect("servers").iter();
    let by_name = named.map(|server| (server["name"].as_str().expect("a name").to_owned(), server.clone()));
    json!({"servers": by_name.collect::<serde_json::Map<_, _>>(), "problems": all["problems"]})
}

#[test]
fn the_user_file_of_claude_code_is_all_it_takes() {
    let home = Home::new();
    let (everywhere, here, elsewhere) = (entry(&home, "everywhere"), entry(&home, "here"), entry(&home, "elsewhere"));
    let work = home.path().join("work");
    let other = home.path().join("other");
    let file = json!({"numStartups": 3, "mcpServers": {"user-wide": everywhere, "both": elsewhere}, "projects": {
        work.to_str().expect("text"): {"mcpServers": {"here": here, "both": here}},
        other.to_str().expect("text"): {"mcpServers": {"there": elsewhere}},
    }});
    let home = home.file(".claude.json", &file.to_string());
    let done = type_in(&home, "work", &["servers"]).exits(0);
    assert!(done.stdout.contains("user-wide  [on]  mcp_user_wide"), "{}", done.stdout);
    assert!(done.stdout.contains("here  [on]  mcp_here"), "{}", done.stdout);
    assert!(done.stdout.contains(".claude.json") && !done.stdout.contains("there  "), "{}", done.stdout);
    let found = servers(&home, "work");
    assert_eq!(found["servers"]["here"]["state"], "on", "{found:#}");
    assert!(found["servers"]["user-wide"]["line"].is_u64(), "{found:#}");
    // They start, and of two with one name the nearer one.
    for (server, tool) in
        [("user-wide", "everywhere"), ("mcp_user_wide", "everywhere"), ("here", "here"), ("both", "here")]
    {
        let done = type_in(&home, "work", &["tools", server]).exits(0);
        assert!(done.stdout.contains(&format!(".{tool}(")), "{server}: {}", done.stdout);
    }
    let done = type_in(&home, "elsewhere", &["tools", "both"]).exits(0);
    assert!(done.stdout.contains("mcp_both.elsewhere("), "{}", done.stdout);
}

#[test]
fn a_project_file_waits_for_approval_and_a_changed_entry_asks_again() {
    let home = Home::new();
    let (first, second) = (entry(&home, "first"), entry(&home, "second"));
    let write = |entry: &Value| {
        let path = home.path().join("shop/.mcp.json");
        std::fs::create_dir_all(path.parent().expect("parent")).expect("a folder");
        std::fs::write(path, json!({"mcpServers": {"team": entry}}).to_string()).expect("write");
    };
    write(&first);
    assert_eq!(servers(&home, "shop")["servers"]["team"]["state"], "waits for approval");
    type_in(&home, "shop", &["tools", "team"]).exits(2).complains(&["'team' is not loaded"]);
    let done = type_in(&home, "shop", &["trust"]).exits(0);
    // What would be started is shown whole, or the answer would be worth nothing.
    assert!(done.stdout.contains("stub_server.py") && done.stdout.contains("mcp-bridge trust team"), "{}", done.stdout);
    let done = type_in(&home, "shop", &["trust", "team"]).exits(0);
    assert!(done.stdout.contains("approved"), "{}", done.stdout);
    assert_eq!(servers(&home, "shop")["servers"]["team"]["state"], "on");
    assert!(type_in(&home, "shop", &["tools", "team"]).exits(0).stdout.contains("mcp_team.first("));
    assert!(type_in(&home, "shop", &["trust"]).exits(0).stdout.contains("No server waits"));

    write(&second);
    assert_eq!(servers(&home, "shop")["servers"]["team"]["state"], "waits for approval");
    type_in(&home, "shop", &["trust", "team"]).exits(0);
    assert!(type_in(&home, "shop", &["tools", "team"]).exits(0).stdout.contains("mcp_team.second("));
    type_in(&home, "shop", &["trust", "--revoke", "team"]).exits(0);
    for entry in [&first, &second] {
        write(entry);
        assert_eq!(servers(&home, "shop")["servers"]["team"]["state"], "waits for approval");
    }
    type_in(&home, "shop", &["trust", "--revoke", "team"]).exits(2).complains(&["no approval to take back"]);
    // The same file in another folder is another file.
    type_in(&home, "shop", &["trust", "team"]).exits(0);
    std::fs::create_dir_all(home.path().join("copy")).expect("a folder");
    std::fs::copy(home.path().join("shop/.mcp.json"), home.path().join("copy/.mcp.json")).expect("copy");
    assert_eq!(servers(&home, "copy")["servers"]["team"]["state"], "waits for approval");

    let trusting = Home::new()
        .env("MCP_BRIDGE_TRUST_PROJECT", "1")
        .file("shop/.mcp.json", &json!({"mcpServers": {"team": first}}).to_string());
    assert_eq!(servers(&trusting, "shop")["servers"]["team"]["state"], "on");
}

#[test]
fn a_broken_file_is_named_with_its_line_and_stops_nothing_else() {
    let good = Home::new();
    let entry = entry(&good, "works");
    let home = good
        .server("fine", &entry)
        .file(".config/mcp/servers/broken.json", "{\n  \"mcpServers\": {\n    \"a\": {\"command\": \"x\",}\n  }\n}")
        .file(
            ".config/mcp/servers/shape.json",
            r#"{"mcpServers": {"odd": {"command": ["x"]}, "good": {"command": "true"}}}"#,
        )
        .file(".config/mcp/servers/root.json", "[1, 2]")
        .file(".config/mcp/servers/empty.json", "")
        .file(".claude.json", "{\"mcpServers\": ");
    let done = home.finish(&["servers"]).exits(0);
    for text in ["fine  [on]", "good  [on]", "broken.json:3", "shape.json", "root.json", "empty.json", ".claude.json"] {
        assert!(done.stdout.contains(text), "{text}: {}", done.stdout);
    }
    let doctor = home.finish(&["doctor"]);
    assert!(doctor.stdout.contains("broken.json:3") && doctor.stdout.contains("do: "), "{}", doctor.stdout);
    assert!(home.finish(&["tools", "fine"]).exits(0).stdout.contains("mcp_fine.works("));
    // A client sees it in the log, and the bridge serves.
    let client = home.serve();
    assert!(client.logged("Loaded MCP servers: ").contains("fine"));
    client.logged("broken.json:3");
}

#[test]
fn variables_are_filled_in_and_a_missing_one_is_named() {
    let home = Home::new();
    let script = home.path().join("script.json");
    std::fs::write(&script, json!({"tools": ["from_a_variable"]}).to_string()).expect("a script");
    let stub = repo().join("tests/support/stub_server.py");
    let entry = json!({"command": "${MY_PYTHON:-python3}", "args": ["${STUB}", "${SCRIPT:-/nowhere}"]});
    let home = home
        .server("variable", &entry)
        .file(".claude.json", &json!({"mcpServers": {"lacking": {"command": "${NEVER_SET}", "args": []}}}).to_string())
        .env("STUB", stub.to_str().expect("text"))
        .env("SCRIPT", script.to_str().expect("text"));
    assert!(home.finish(&["tools", "variable"]).exits(0).stdout.contains("from_a_variable("));
    let found = servers(&home, ".");
    assert_ne!(found["servers"]["lacking"]["state"], "on", "{found:#}");
    assert!(found["servers"]["lacking"].to_string().contains("NEVER_SET"), "{found:#}");
}

#[test]
fn what_is_switched_off_stays_off_and_says_why() {
    let home = Home::new();
    let (works, also) = (entry(&home, "works"), entry(&home, "also"));
    let with = |key: &str, value: Value| {
        let mut entry = works.clone();
        entry[key] = value;
        entry
    };
    let file = json!({"mcpServers": {"on": also, "disabled": with("disabled", json!(true)), "not-enabled": with("enabled", json!(false)),
        "enabled": with("enabled", json!(true))}});
    let home = home.file(".claude.json", &file.to_string());
    let found = servers(&home, ".");
    for (name, state) in [("on", "on"), ("enabled", "on"), ("disabled", "off"), ("not-enabled", "off")] {
        assert_eq!(found["servers"][name]["state"], state, "{name}: {found:#}");
    }
    assert!(found["servers"]["disabled"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{found:#}");
    home.finish(&["tools", "disabled"]).exits(2).complains(&["is not loaded"]);
}

#[test]
fn the_bridge_does_not_list_itself_as_a_server() {
    let own = env!("CARGO_BIN_EXE_mcp-bridge");
    let home = Home::new()
        .server("by-file", &json!({"command": own, "args": ["serve"]}))
        .server("by-shell", &json!({"command": "sh", "args": ["-c", format!("exec {own} serve")]}))
        .server("mcp-bridge", &json!({"command": "python3", "args": ["-m", "other"]}));
    let found = servers(&home, ".");
    for name in ["by-file", "by-shell", "mcp-bridge"] {
        assert_eq!(found["servers"][name]["state"], "blocked", "{name}: {found:#}");
        home.finish(&["tools", name]).exits(2);
    }
    assert!(home.serve().logged("Loaded MCP servers: ").contains("none"));
    // Allowed, it is a server like any other; the marker in its environment keeps it from finding itself again.
    let home = home.env("MCP_BRIDGE_ALLOW_SELF_SERVER", "1");
    assert!(home.finish(&["tools", "by-file"]).exits(0).stdout.contains("mcp_by_file.run_python("));
}

#[test]
fn the_file_named_by_the_operator_wins() {
    let home = Home::new();
    let (usual, named, more) = (entry(&home, "usual"), entry(&home, "named"), entry(&home, "more"));
    let home = home
        .file(".claude.json", &json!({"mcpServers": {"same": usual, "more": more}}).to_string())
        .file("mine.json", &json!({"mcpServers": {"same": named}}).to_string());
    assert!(home.finish(&["tools", "same"]).exits(0).stdout.contains("mcp_same.usual("));
    let path = home.path().join("mine.json");
    let home = home.env("MCP_SERVERS_CONFIG", path.to_str().expect("text"));
    assert!(home.finish(&["tools", "same"]).exits(0).stdout.contains("mcp_same.named("));
    assert!(home.finish(&["tools", "more"]).exits(0).stdout.contains("mcp_more.more("));
    // The other one of that name is still there.
    assert!(home.finish(&["tools", "claude-code:same"]).exits(0).stdout.contains("mcp_claude_code_same.usual("));
    std::fs::remove_file(path).expect("remove");
    // Gone, every command says so.
    let done = home.finish(&["servers"]).exits(0);
    assert!(done.stdout.contains("MCP_SERVERS_CONFIG"), "{}", done.stdout);
    for arguments in [&["run", "-c", "1", "--server", "nobody"][..], &["tools", "more"], &["trust"], &["import"]] {
        let done = home.finish(arguments);
        assert!(done.stderr.contains("warning: ") && done.stderr.contains("MCP_SERVERS_CONFIG"), "{}", done.stderr);
    }
    home.serve().logged("MCP_SERVERS_CONFIG");
}

mod files_and_folders_that_may_not_be_read_are_named {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // By an ordinary user: root may read everything. Nothing is run.
    on_engine!(embedded_user, |engine| {
        let home = Home::on(engine)
            .server("good", &json!({"command": "true"}))
            .file(".config/mcp/servers/closed.json", "{}")
            .file("MCPs/x.json", "{}");
        for path in [".config/mcp/servers/closed.json", "MCPs"] {
            std::fs::set_permissions(home.path().join(path), std::fs::Permissions::from_mode(0o000)).expect("closed");
        }
        let found = servers(&home, ".");
        assert_eq!(found["servers"]["good"]["state"], "on", "{found:#}");
        let codes: Vec<&Value> = found["problems"].as_array().expect("a list").iter().map(|it| &it["code"]).collect();
        assert_eq!(codes, ["discovery.folder_unreadable", "discovery.unreadable"], "{found:#}");
    });
}

#[test]
fn a_doctor_for_no_clients_says_so() {
    let doctor = Home::new().env("MCP_BRIDGE_SOURCES", ",").finish(&["doctor"]);
    assert!(doctor.stdout.contains("no client's files are read (MCP_BRIDGE_SOURCES names none)"), "{}", doctor.stdout);
}

#[test]
fn settings_are_listed_with_what_is_set() {
    let done = Home::new().env("MCP_BRIDGE_TIMEOUT", "45").finish(&["settings"]).exits(0);
    assert!(done.stdout.contains("MCP_BRIDGE_TIMEOUT=45  (set)"), "{}", done.stdout);
    assert!(done.stdout.contains("MCP_BRIDGE_MEMORY=512m\n"), "{}", done.stdout);
    assert!(!done.stdout.contains('\x1b'), "colour is for terminals");
}

#[test]
fn a_remote_server_is_listed_and_its_kind_said() {
    let home = Home::new().server("far", &json!({"url": "https://mcp.example.com/path"}));
    let done = home.finish(&["servers"]).exits(0);
    assert!(done.stdout.contains("far") && done.stdout.contains("https://mcp.example.com/"), "{}", done.stdout);
    let report = home.finish(&["tools", "far"]);
    assert_ne!(report.code, Some(0), "{}", report.said());
    assert!(report.stderr.contains("far") && report.stderr.contains("do: "), "{}", report.stderr);
}

/// Values that must never be seen; long and odd enough that nothing else can contain them.
const CANARIES: [&str; 7] = [
    "canary-env-5f1c",
    "canary-arg-5f1c",
    "canary-header-5f1c",
    "canary-query-5f1c",
    "canary-user-5f1c",
    "canary-var-5f1c",
    "canary-own-5f1c",
];

/// Servers of every kind, each with a secret, some of them broken.
fn with_secrets(home: Home) -> Home {
    let script = home.path().join("script.json");
    // A server that says its secrets when it fails, as many do.
    let says = json!({"initialize": {"exit": 1}, "stderr": "bad token canary-env-5f1c, also canary-var-5f1c\n"});
    std::fs::write(&script, says.to_string()).expect("a script");
    let mut local = stub_server(&script);
    local["args"].as_array_mut().expect("args").push(json!("--token=canary-arg-5f1c"));
    local["env"] = json!({"TOKEN": "canary-env-5f1c", "OTHER": "${VAR}"});
    let headers = json!({"Authorization": "Bearer canary-header-5f1c"});
    let broken = "{\"mcpServers\": {\"x\": {\"command\": \"x\", \"env\": {\"TOKEN\": \"canary-env-5f1c\"}, \n oops canary-arg-5f1c }}}";
    home.file(
        ".claude.json",
        &json!({"mcpServers": {
            "local": local,
            "far": {"url": "https://canary-user-5f1c:pw@mcp.example.com/mcp?key=canary-query-5f1c", "headers": headers},
            "wrong": {"command": 5, "env": {"TOKEN": "canary-env-5f1c"}, "args": "canary-arg-5f1c"},
            "odd": {"command": "x", "env": {"TOKEN": ["canary-env-5f1c"]}, "headers": "canary-header-5f1c", "key-canary": "canary-arg-5f1c"},
            "canary": {"command": "missing-program", "args": ["canary-arg-5f1c"]},
        }})
        .to_string(),
    )
    .file(".config/mcp/servers/broken.json", broken)
    .env("VAR", "canary-var-5f1c")
    .env("MY_API_KEY", "canary-own-5f1c")
    .env("MCP_BRIDGE_LOG_LEVEL", "trace")
}

#[track_caller]
fn no_secret(what: &str, said: &str) {
    for canary in CANARIES {
        assert!(!said.contains(canary), "{what} says {canary}:\n{said}");
    }
}

#[test]
fn no_command_says_a_secret() {
    let home = with_secrets(Home::new());
    let commands: [&[&str]; 11] = [
        &["servers"],
        &["servers", "--json"],
        &["tools", "local"],
        &["tools", "far"],
        &["tools", "wrong"],
        &["tools", "canary", "--json"],
        &["doctor"],
        &["trust"],
        &["trust", "local"],
        &["settings"],
        &["run", "-c", "1", "--server", "local"],
    ];
    for arguments in commands {
        let done = home.finish(arguments);
        assert!(!done.said().is_empty());
        no_secret(&arguments.join(" "), &done.said());
    }
    // The last words of a server that fails are passed on, but for the secrets in them.
    home.finish(&["tools", "local"]).exits(5).complains(&["bad token ***"]);
}

every_engine!(no_answer_and_no_log_line_says_a_secret, |engine| {
    let home = with_secrets(Home::on(engine))
        .stub("echo", &json!({"tools": ["env"], "calls": {"env": {"environment": true}}}));
    let mut client = home.serve();
    let code = "import os, pathlib
seen = [dict(os.environ), pathlib.Path('/proc/1/cmdline').read_bytes().decode(errors='replace')]
for name in ['local', 'far', 'wrong', 'canary']:
    try:
        await runtime.call_tool(name, 'anything', {})
    except Exception as error:
        seen.append(repr(error))
        seen.append(str(error))
seen.append(await runtime.list_servers(detailed=True))
seen.append(await runtime.capability_summary())
seen.append(await runtime.search_tool_docs('token'))
seen";
    let report = client.python(code);
    no_secret("the report", &report.to_string());
    // What the bridge itself was started with is not handed on to servers.
    let environment = client.value("await mcp_echo.env()");
    assert!(environment["env"]["PATH"].is_string(), "{environment}");
    no_secret("a server's environment", &environment["env"].to_string());
    let resource = client.request("resources/read", json!({"uri": "mcp-bridge://capabilities"}));
    no_secret("the resource", &resource.to_string());
    client.report(json!({"code": "1", "servers": ["wrong"]}));
    client.wait();
    no_secret("the log", &client.log());
});

#[test]
fn one_server_under_several_names_and_in_files_of_several_clients() {
    let home = Home::new();
    let (one, two) = (entry(&home, "one"), entry(&home, "two"));
    let toml = format!("[mcp_servers.first]\ncommand = {}\nargs = {}\n", one["command"], one["args"]);
    let home = home
        .file(".claude.json", &json!({"mcpServers": {"first": one}}).to_string())
        .file(".codex/config.toml", &toml)
        .file(
            ".cursor/mcp.json",
            &format!("{{ // mine\n\"mcpServers\": {} }}", json!({"first": two, "other name": one})),
        );
    assert_eq!(servers(&home, ".")["servers"].as_object().expect("servers").len(), 1, "by default Claude's files");
    let home = home.env("MCP_BRIDGE_SOURCES", "auto");
    let found = servers(&home, ".");
    assert_eq!(found["servers"]["first"]["also_called"], json!(["other name"]), "{found:#}");
    assert_eq!(found["servers"]["first"]["also"].as_array().map(Vec::len), Some(2), "{found:#}");
    for (asked, tool) in [("first", "one"), ("other name", "one"), ("mcp_other_name", "one"), ("cursor:first", "two")] {
        let done = home.finish(&["tools", asked]).exits(0);
        assert!(done.stdout.contains(&format!(".{tool}(")), "{asked}: {}", done.stdout);
    }
    let doctor = home.finish(&["doctor"]);
    assert!(doctor.stdout.contains("first, cursor:first; files of auto are read"), "{}", doctor.stdout);
    let wrong = home.env("MCP_BRIDGE_SOURCES", "claude,emacs");
    wrong.finish(&["servers"]).exits(2).complains(&["MCP_BRIDGE_SOURCES", "cursor"]);
}

#[test]
fn the_bridge_adds_itself_to_a_client_and_takes_itself_out() {
    let text = "{\n  // mine\n  \"mcpServers\": {\n    \"a\": { \"command\": \"canary-arg-5f1c\" }\n  }\n}\n";
    let home = Home::new().file(".cursor/mcp.json", text);
    let path = home.path().join(".cursor/mcp.json");
    let read = || std::fs::read_to_string(&path).expect("the file");
    home.finish(&["install", "cursor"]).exits(2).complains(&["nobody is there to say yes", "--yes"]);
    assert_eq!(read(), text);
    let done = home.finish(&["install", "cursor", "--yes"]).exits(0);
    assert!(done.stdout.contains("+ ") && done.stdout.contains("before-mcp-bridge-1"), "{}", done.stdout);
    no_secret("install", &done.said());
    assert!(read().contains("// mine") && read().contains(env!("CARGO_BIN_EXE_mcp-bridge")), "{}", read());
    assert!(home.finish(&["install"]).exits(0).stdout.contains("cursor          installed"));
    assert!(home.finish(&["install", "cursor", "--yes"]).exits(0).stdout.contains("Nothing to do"));
    home.finish(&["uninstall", "cursor", "--yes"]).exits(0);
    assert!(!read().contains("mcp-bridge"), "{}", read());
    home.finish(&["install", "emacs"]).exits(2).complains(&["emacs", "lists them"]);
}

#[test]
fn what_was_found_becomes_a_file_of_the_bridges_own() {
    let home = Home::new();
    let server = entry(&home, "imported");
    let home = home
        .file(".cursor/mcp.json", &json!({"mcpServers": {"mine": server}}).to_string())
        .env("MCP_BRIDGE_SOURCES", "cursor,folders");
    let done = home.finish(&["import"]).exits(0);
    assert!(done.stdout.contains("imported.json: mine"), "{}", done.stdout);
    home.finish(&["import"]).exits(0);
    let home = home.env("MCP_BRIDGE_SOURCES", "folders");
    assert!(home.finish(&["tools", "mine"]).exits(0).stdout.contains("mcp_mine.imported("));
    let again = home.env("MCP_BRIDGE_SOURCES", "cursor");
    again.finish(&["import"]).exits(2).complains(&["imported.json exists"]);
}
