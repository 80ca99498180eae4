//! Every flag of every command, with a value that is taken and one that is not. `start` has a file of its own.

use serde_json::json;

use crate::shell::{command, home, json_of, refused, run, run_in};
use crate::support::{Client, finish, repo};

#[test]
fn a_value_that_no_flag_takes_is_quoted_with_what_is_taken() {
    let home = home();
    // Nothing is begun: each of these is known to be wrong before there is a bridge.
    for (line, quoted) in [
        ("serve --expose everything", "everything"),
        ("start --http nowhere:x", "nowhere:x"),
        ("start --port 70000", "70000"),
        ("start --host 'no host'", "no host"),
        ("start --log-level loud", "loud"),
        ("start --auth maybe", "maybe"),
        ("start --expose nothing", "nothing"),
        ("start --config", "--config <FILE>"),
        ("start --tls-cert cert.pem", "--tls-key <FILE>"),
        ("start --tls-key key.pem", "--tls-cert <FILE>"),
        ("start --http 8000 --port 8001", "--port <PORT>"),
        ("start --json-logs=7", "7"),
        ("start --no-hot-reload=7", "7"),
        ("token add ci --expires soon", "soon"),
        ("token list --json=7", "7"),
        ("validate --json", "<FILE>"),
        ("probe --json", "<TARGET>"),
        ("probe stub --bearer-token", "--bearer-token <TOKEN>"),
        ("call stub echo --arg text=1 --json {}", "--json <OBJECT>"),
        ("call stub --raw", "<TOOL>"),
        ("run -c 1 --timeout soon", "soon"),
        ("run -c 1 --server", "--server <NAME>"),
        ("run -c 1 --file-in", "--file-in <PATH[=NAME]>"),
        ("run -c 1 program.py", "[FILE]"),
        ("run --report", "<FILE>"),
        ("servers --json=7", "7"),
        ("tools --full", "<SERVER>"),
        ("tools --json", "<SERVER>"),
        ("image build --tag", "--tag <TAG>"),
        ("image load --name", "--name <NAME>"),
        ("trust --revoke=7", "7"),
        ("install cursor --yes=7", "7"),
        ("uninstall --yes", "<CLIENT>"),
        ("login stub --scopes", "--scopes <SCOPES>"),
        ("login --no-browser", "<SERVER>"),
        ("sessions --json=7", "7"),
        ("sessions end books --bridge first", "first"),
        ("policy test a b c --resource --prompt", "--prompt"),
        ("health --loud", "--loud"),
        ("doctor now", "now"),
        ("import one two", "two"),
        ("init one two", "two"),
        ("logout", "<SERVER>"),
        ("policy", "Usage: mcp-bridge policy"),
        ("audit", "Usage: mcp-bridge audit"),
        ("image", "Usage: mcp-bridge image"),
        ("token", "Usage: mcp-bridge token"),
        ("settings now", "now"),
        ("srve", "similar subcommands exist"),
    ] {
        let done = run(&home, line).exits(2);
        assert!(done.stderr.contains(quoted), "{line}: {}", done.stderr);
        assert!(done.stdout.is_empty(), "{line}: {}", done.stdout);
    }
    assert!(!home.path().join("state/http-tokens.json").exists());
}

#[test]
fn serve_offers_what_its_flag_says() {
    let home = home();
    let mut client = Client::start(command(&home, "serve --expose tools"));
    let listed = client.request("tools/list", json!({}));
    assert!(listed.to_string().contains("stub__echo") && !listed.to_string().contains("run_python"), "{listed}");
}

#[test]
fn run_takes_its_program_and_all_that_belongs_to_it() {
    let home =
        home().file("p.py", "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7\n").file("d.csv", "1,2\n");
    let done = run(&home, "run p.py").exits(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n42\n", "err\n"));
    assert_eq!(finish(command(&home, "run -"), "1 + 1").exits(0).stdout, "2\n");
    assert_eq!(run(&home, "run --code '2 + 2'").exits(0).stdout, "4\n");
    assert_eq!(run(&home, "run -c 'open(\"d.csv\").read()' -f d.csv").exits(0).stdout, "1,2\n\n");
    assert_eq!(run(&home, "run -c 'open(\"in.csv\").read()' --file-in d.csv=in.csv").exits(0).stdout, "1,2\n\n");
    run(&home, "run -c 'while True: pass' --timeout 0.3").exits(124).complains(&["exceeded timeout", "hint: "]);
    run(&home, "run -c 'while True: pass' -t 0.3").exits(124);
    run(&home, "run -c 'raise SystemExit(3)'").exits(1);
    let named = "'runtime.discovered_servers()'";
    assert_eq!(run(&home, &format!("run -c {named} --server stub")).exits(0).stdout.trim(), "[\"stub\"]");
    assert_eq!(run(&home, &format!("run -c {named} -s stub")).exits(0).stdout.trim(), "[\"stub\"]");
    let report = run(&home, "run --report -c '6 * 7'").exits(0).stdout;
    assert!(report.contains("status: success") && report.contains("result: 42"), "{report}");

    for line in ["run none.py", "run -c 1 --timeout 0", "run -c 1 --file-in none.csv"] {
        let done = refused(&home, line, 2, "cli.run");
        assert!(done.stdout.is_empty());
    }
    refused(&home, "run -c 1 --server stbu", 2, "request.server_not_found").complains(&["stbu", "did you mean"]);
}

#[test]
fn tools_and_calls_have_a_short_and_a_whole_form() {
    let home = home();
    let short = run(&home, "tools stub").exits(0).stdout;
    assert!(short.contains("mcp_stub.echo(") && !short.contains("At once."), "{short}");
    assert!(run(&home, "tools stub --full").exits(0).stdout.contains("At once."));
    let whole = json_of(&home, "tools stub --json");
    assert!(whole.to_string().contains("\"additionalProperties\":false"), "{whole}");
    refused(&home, "tools stbu", 2, "broker.server_not_found").complains(&["did you mean stub?"]);

    assert!(run(&home, "call stub echo --arg text=hello --arg count=2").exits(0).stdout.contains("hello"));
    assert!(run(&home, "call stub echo -a text=hello").exits(0).stdout.contains("hello"));
    let raw = json_of(&home, "call stub echo --raw --json '{\"text\": \"hello\", \"count\": 2}'");
    assert_eq!(raw["structuredContent"]["arguments"], json!({"text": "hello", "count": 2}));
    assert_eq!(run(&home, "call stub fail").exits(1).stdout, "it failed\n");
    let script = repo().join("tests/direct/wide.py");
    let home = home.server("wide", &json!({"command": "python3", "args": [script, "older", "wide"]}));
    let slow = run(&home, "call wide count --arg n=3").exits(0);
    assert!(slow.stderr.contains("1 of 3: step") && slow.stdout.contains("counted"), "{slow:?}");
    refused(&home, "call stub echo --arg text", 2, "cli.call");
    refused(&home, "call stub echo --json []", 2, "cli.call");
    refused(&home, "call stub echo --json {", 2, "cli.call");
    refused(&home, "call stub echo --arg text=a --arg count=many", 2, "catalog.wrong_argument");
    refused(&home, "call stub echo --arg text=a --arg cuont=1", 2, "catalog.unknown_parameter");
    refused(&home, "call stub echo", 2, "catalog.missing_argument");
    refused(&home, "call stub ehco", 2, "broker.tool_not_found");
    refused(&home, "call stbu echo", 2, "broker.server_not_found");
}

#[test]
fn what_was_found_can_be_read_by_programs() {
    let home = home();
    assert_eq!(json_of(&home, "servers --json")["servers"][0]["state"], "on");
    assert!(run(&home, "servers").exits(0).stdout.contains("stub"));
    assert_eq!(json_of(&home, "sessions --json"), json!({"sessions": []}));
    assert!(run(&home, "sessions").exits(0).stdout.contains("No bridge of this user has a session"));
    refused(&home, "sessions end books", 2, "cli.sessions");
    refused(&home, "sessions end books --bridge 1", 2, "cli.sessions");
    assert_eq!(json_of(&home, "probe stub --json")["tools"], json!(["echo", "fail"]));
    assert!(run(&home, "probe stub").exits(0).stdout.contains("transport  stdio"));
    assert!(run(&home, "settings").exits(0).stdout.contains("MCP_BRIDGE_MEMORY"));
    assert!(run(&home, "doctor").said().contains("ok"));
    assert!(run(&home, "image path").exits(0).stdout.contains("runs use this machine's Python"));
    assert!(run(&home, "image prune").exits(0).stdout.contains("removed 0 images"));
    refused(&home, "image build . --tag localhost/x:1", 2, "cli.image_runtime");
    refused(&home, "image build . -t localhost/x:1", 2, "cli.image_runtime");
    refused(&home, "image load none.tar --name localhost/x:1", 3, "sandbox.image_file");
    refused(&home, "image load none.tar -n localhost/x:1", 3, "sandbox.image_file");
    refused(&home, "image pull 'No Name'", 3, "sandbox.image_name");
}

#[test]
fn a_session_is_ended_by_its_name_and_its_bridge() {
    let home = home();
    let mut client = home.serve();
    assert_eq!(client.report(json!({"code": "x = 1", "session": "books"}))["session"]["run"], 1);
    let listed = json_of(&home, "sessions --json");
    assert_eq!(listed["sessions"][0]["name"], "books", "{listed}");
    refused(&home, "sessions end books --bridge 1", 2, "cli.sessions");
    let line = format!("sessions end books --bridge {}", client.child.id());
    assert_eq!(run(&home, &line).exits(0).stdout, "books: ended\n");
    assert_eq!(json_of(&home, "sessions --json"), json!({"sessions": []}));
}

#[test]
fn an_answer_about_a_projects_server_is_given_and_taken_back() {
    let entry = json!({"mcpServers": {"team": {"command": "true"}}}).to_string();
    let home = home().file("shop/.mcp.json", &entry);
    let shop = |line: &str| run_in(&home, "shop", line);
    assert!(shop("trust").exits(0).stdout.contains("to allow it: mcp-bridge trust team"));
    assert!(shop("trust team").exits(0).stdout.contains("approved"));
    shop("trust team").refuses(2, "cli.trust").complains(&["\"team\" does not wait for approval"]);
    assert!(shop("trust team --revoke").exits(0).stdout.contains("approval taken back"));
    shop("trust --revoke team").refuses(2, "cli.trust").complains(&["\"team\" has no approval to take back"]);
}

#[test]
fn a_clients_file_is_changed_when_somebody_says_yes() {
    let text = json!({"mcpServers": {"mine": {"command": "true"}}}).to_string();
    let home = home().file(".cursor/mcp.json", &text).env("MCP_BRIDGE_SOURCES", "cursor");
    refused(&home, "install cursor", 2, "install.not_confirmed");
    assert!(run(&home, "install cursor --yes").exits(0).stdout.contains("done"));
    refused(&home, "uninstall cursor", 2, "install.not_confirmed");
    run(&home, "uninstall cursor --yes").exits(0);
    run(&home, "install cursor -y").exits(0);
    run(&home, "uninstall cursor -y").exits(0);
    run(&home, "import found.json").exits(0);
    refused(&home, "import found.json", 2, "install.exists");
}

#[test]
fn rules_are_asked_about_by_tool_resource_and_prompt() {
    let rules = json!({"access_rules": {"a": {"servers": ["stub"], "tools": {"stub": ["echo"]},
        "resources": {"stub": ["file:///docs/*"]}, "prompts": {"stub": ["greet"]}}}});
    let home = home().file("rules.json", &rules.to_string()).env("MCP_BRIDGE_ACCESS", "rules.json");
    assert!(run(&home, "policy check").exits(0).stdout.ends_with("rules.json: good\n"));
    for (line, exit) in [
        ("policy test a stub echo", 0),
        ("policy test a stub fail", 1),
        ("policy test a stub file:///docs/a.md --resource", 0),
        ("policy test a stub file:///etc/passwd --resource", 1),
        ("policy test a stub greet --prompt", 0),
        ("policy test a stub leave --prompt", 1),
        ("policy test nobody stub echo", 1),
    ] {
        let done = run(&home, line).exits(exit);
        assert!(done.stdout.starts_with(if exit == 0 { "allow: " } else { "deny: " }), "{line}: {}", done.stdout);
    }
}
