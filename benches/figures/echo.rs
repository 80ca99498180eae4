//! An MCP server that costs next to nothing, so that what is measured is the way to it: this very program, started again
//! with [`COMMAND`]. Tools: `echo` gives its arguments back, `blob` gives `size` bytes of text.

use std::io::{BufRead, BufWriter, Write};
use std::process::Command;

use serde_json::{Value, json};

pub const COMMAND: &str = "echo-server";

/// The command that starts it.
pub fn command() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(COMMAND);
    command
}

/// Its entry in a config file.
pub fn entry() -> Value {
    json!({"command": std::env::current_exe().expect("this program"), "args": [COMMAND]})
}

/// Serves stdin and stdout until stdin ends.
pub fn serve() {
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    while {
        line.clear();
        input.read_line(&mut line).is_ok_and(|read| read > 0)
    } {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = message.get("id") else { continue };
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result(&message)});
        let written = serde_json::to_writer(&mut output, &answer).is_ok();
        if !written || output.write_all(b"\n").and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

fn result(message: &Value) -> Value {
    let params = &message["params"];
    let arguments = &params["arguments"];
    match (message["method"].as_str(), params["name"].as_str()) {
        (Some("initialize"), _) => json!({
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        }),
        (Some("tools/list"), _) => json!({"tools": [
            {"name": "echo", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            {"name": "blob", "inputSchema": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        ]}),
        (Some("tools/call"), Some("blob")) => {
            let size = arguments["size"].as_u64().unwrap_or(0) as usize;
            json!({"content": [{"type": "text", "text": "x".repeat(size)}]})
        }
        (Some("tools/call"), _) => json!({"content": [], "structuredContent": arguments}),
        _ => json!({}),
    }
}
