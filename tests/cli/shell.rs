//! A shell in a home of its own: a line is typed, and the real binary does what it says.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, Outcome, finish};

/// A home with the server `stub`; programs run in the embedded sandbox, on the host's Python.
pub fn home() -> Home {
    let echo = json!({"name": "echo", "description": "Says it back.\nAt once.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"}},
            "required": ["text"], "additionalProperties": false}});
    let script = json!({"tools": [echo, "fail"], "calls": {"fail": {"is_error": "it failed"}}});
    Home::new()
        .env("MCP_BRIDGE_RUNTIME", "embedded")
        .env("MCP_BRIDGE_FORK", "off")
        .env("MCP_BRIDGE_IMAGE", "python:3.14-slim")
        .stub("stub", &script)
}

/// `mcp-bridge LINE` in this home; 'quotes' keep blanks together.
pub fn command(home: &Home, line: &str) -> Command {
    home.command(&words(line).iter().map(String::as_str).collect::<Vec<_>>())
}

/// The same, to its end.
#[track_caller]
pub fn run(home: &Home, line: &str) -> Outcome {
    finish(command(home, line), "")
}

/// The same in a folder of the home.
#[track_caller]
pub fn run_in(home: &Home, folder: &str, line: &str) -> Outcome {
    let mut command = command(home, line);
    command.current_dir(home.path().join(folder));
    finish(command, "")
}

/// What a line that must succeed writes as JSON.
#[track_caller]
pub fn json_of(home: &Home, line: &str) -> Value {
    let done = run(home, line).exits(0);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{line}: {error}: {}", done.stdout))
}

/// A bridge that listens, until the value is dropped; and its URL.
#[track_caller]
pub fn started(home: &Home, line: &str) -> (Client, String) {
    let client = Client::start_raw(command(home, line));
    let said = client.logged("MCP at ");
    let url = said.split("MCP at ").nth(1).and_then(|rest| rest.split("/mcp").next()).expect("an address");
    let url = url.to_owned();
    (client, url)
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// A line that cannot be obeyed: exit code and the code of the error; what was found is quoted, and one thing to do is said.
#[track_caller]
pub fn refused(home: &Home, line: &str, exit: i32, code: &str) -> Outcome {
    run(home, line).refuses(exit, code)
}

impl Outcome {
    /// The same of what was done already.
    #[track_caller]
    pub fn refuses(self, exit: i32, code: &str) -> Self {
        self.exits(exit).complains(&[&format!("[{code}]"), "  do: "])
    }
}
