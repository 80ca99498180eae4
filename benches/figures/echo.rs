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
        let written = match large(&message) {
            Some(size) => blob(&mut output, id, size),
            None => {
                let answer = json!({"jsonrpc": "2.0", "id": id, "result": result(&message)});
                serde_json::to_writer(&mut output, &answer).map_err(std::io::Error::from)
            }
        };
        if written.and_then(|()| output.write_all(b"\n")).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

/// How many bytes a call of `blob` asks for.
fn large(message: &Value) -> Option<usize> {
    let params = &message["params"];
    let size = params["arguments"]["size"].as_u64().and_then(|size| usize::try_from(size).ok());
    (params["name"] == "blob").then_some(size.unwrap_or(0))
}

/// Writes the text as it is: to look for what must be escaped would cost more than the way that is measured.
fn blob(output: &mut impl Write, id: &Value, size: usize) -> std::io::Result<()> {
    write!(output, "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"")?;
    output.write_all(&vec![b'x'; size])?;
    output.write_all(b"\"}]}}")
}

/// What it answers to a request.
pub fn result(message: &Value) -> Value {
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
        (Some("tools/call"), _) => json!({"content": [], "structuredContent": arguments}),
        _ => json!({}),
    }
}
