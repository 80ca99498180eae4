//! `mcp-bridge init`: a file to begin with, for `mcp-bridge start --config`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Exit, paint};

/// Where it is written when no file is named.
const FILE: &str = "mcp-bridge.json";

const TEXT: &str = r#"{
  // MCP servers, as in clients' files: a command that is started, or the address of one that runs already.
  "mcpServers": {
    "time": {
      "command": "uvx",
      "args": ["mcp-server-time"],
      "enabled": false
    },
    "remote": {
      "url": "https://mcp.example.com/mcp",
      "headers": { "Authorization": "Bearer ${EXAMPLE_TOKEN:-}" },
      "timeout": 30,
      "enabled": false
    }
  },

  // What stands below takes effect at the next start; the servers above at once.
  // Where the bridge listens. Beyond this machine only with tokens: `mcp-bridge token add NAME`.
  "host": "127.0.0.1",
  "port": 8000,

  // error, warn, info, debug or trace
  "log_level": "info",

  // Take changes of the servers, of files in which the bridge finds some, and of access rules without a restart.
  "hot_reload": true
  // Any setting of `mcp-bridge settings` may stand here: MCP_BRIDGE_HTTP_BODY as "http_body", and so on.
}
"#;

pub(super) fn init(file: Option<PathBuf>) -> Exit {
    let file = file.unwrap_or_else(|| PathBuf::from(FILE));
    match write(&file) {
        Ok(()) => {
            println!("{} written; start with it: mcp-bridge start --config {}", file.display(), file.display());
            Exit::Success
        }
        Err(error) => {
            let (message, hint) = match error.kind() {
                ErrorKind::AlreadyExists if file.is_dir() => ("this is a folder", "name a file in it"),
                ErrorKind::AlreadyExists => ("there is such a file already", "name another file, or remove that one"),
                ErrorKind::NotFound => ("there is no such folder", "make it first"),
                _ => ("it cannot be written", "name a file in a folder that you may write to"),
            };
            eprintln!("{}", paint::failure(&format!("{}: {message}", file.display()), hint, "cli.init"));
            Exit::Usage
        }
    }
}

/// Never over another file.
fn write(file: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(TEXT.as_bytes())
}
