//! What a caller is not shown does not speak to it either, and what it is denied leaves a line.

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home, run, text};
use super::raw::{Request, hello};

/// Answers a call, and asks whoever there is for its folders when the pipe is written to; keeps what it is told.
const ASKS_LATER: &str = r#"
import json, sys, threading
pipe, told = sys.argv[1:]
def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
def ask():
    with open(pipe) as opened:
        opened.read()
    send({"id": "later", "method": "roots/list"})
threading.Thread(target=ask, daemon=True).start()
info = {"capabilities": {"tools": {}}, "serverInfo": {"name": "later", "version": "1"}}
for line in sys.stdin:
    message = json.loads(line)
    method, ident = message.get("method"), message.get("id")
    if ident == "later":
        with open(told, "w") as opened:
            opened.write(line)
    elif method == "initialize":
        send({"id": ident, "result": {"protocolVersion": message["params"]["protocolVersion"], **info}})
    elif method == "tools/list":
        send({"id": ident, "result": {"tools": [{"name": "go", "inputSchema": {"type": "object"}}]}})
    elif ident is not None:
        send({"id": ident, "result": {"content": [{"type": "text", "text": "gone"}]}})
"#;

#[test]
fn a_server_that_is_hidden_from_the_only_client_there_is_asks_it_nothing() {
    let home = home();
    let [script, pipe, told] = ["later.py", "pipe", "told.json"].map(|name| home.path().join(name));
    std::fs::write(&script, ASKS_LATER).expect("a script");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let servers = json!({"mcpServers": {"later": {"command": "python3", "args": [script, pipe, told]}}});
    std::fs::write(home.path().join("servers.json"), servers.to_string()).expect("servers");
    let rules = json!({"access_rules": {"token:ann": {"servers": "*", "tools": "*"}, "token:ben": {"servers": [], "tools": "*"}}});
    std::fs::write(home.path().join("rules.json"), rules.to_string()).expect("rules");
    let [ann, ben] =
        ["ann", "ben"].map(|name| text(&run(home.path(), &["token", "add", name]).stdout).trim().to_owned());
    let path = home.path().join("rules.json").display().to_string();
    let bridge = Bridge::with(home, &["--expose", "both"], &[("MCP_BRIDGE_ACCESS", &path)]);

    let mut greets = hello("2025-11-25");
    greets["capabilities"]["roots"] = json!({});
    let opened = Request::rpc(1, "initialize", greets).bearer(&ben).ask(bridge.port);
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let there = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let taken = Request::new("POST", "/mcp").json(&there).and("Accept", "application/json, text/event-stream");
    assert_eq!(taken.session(&session).bearer(&ben).ask(bridge.port).status, 202);
    let call = Request::new("POST", "/tools/call").json(&json!({"name": "later__go", "arguments": {}}));
    assert_eq!(call.bearer(&ann).ask(bridge.port).status, 200);
    std::fs::write(&pipe, "now").expect("the server reads");
    let answer = eventually("an answer", || serde_json::from_slice::<Value>(&std::fs::read(&told).ok()?).ok());
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

#[test]
fn a_program_that_is_denied_over_rest_leaves_a_line() {
    let home = home();
    let rules = json!({"access_rules": {"default": {"servers": ["stub"], "tools": ["list_servers"]}}});
    std::fs::write(home.path().join("rules.json"), rules.to_string()).expect("rules");
    let [path, audit] = ["rules.json", "audit.jsonl"].map(|name| home.path().join(name).display().to_string());
    let bridge = Bridge::with(home, &[], &[("MCP_BRIDGE_ACCESS", &path), ("MCP_BRIDGE_AUDIT", &audit)]);
    let call = json!({"name": "run_python", "arguments": {"code": "1"}});
    assert_eq!(bridge.post("/tools/call", &call).status, 404);
    let trail = std::fs::read_to_string(&audit).expect("a trail");
    let line = trail.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back().expect("a line");
    assert_eq!([&line["kind"], &line["tool"], &line["outcome"]], ["call", "run_python", "denied"], "{trail}");
}
