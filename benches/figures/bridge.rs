//! The bridge under measurement: the real binary, with an environment and a home of its own.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::client::Client;
use super::echo;
use super::engine::Engine;
#[cfg(target_os = "linux")]
use super::user::User;

/// A home with a config file; deleted when dropped.
pub struct Home(TempDir);

impl Home {
    /// `servers` is the `mcpServers` object.
    pub fn new(servers: Map<String, Value>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let text = json!({"mcpServers": servers}).to_string();
        std::fs::write(folder.path().join("servers.json"), text).expect("written");
        Self(folder)
    }

    /// A home without servers that belongs to this user.
    #[cfg(target_os = "linux")]
    pub fn of(user: User) -> Self {
        let home = Self::new(Map::new());
        user.owns(home.0.path());
        user.owns(&home.0.path().join("servers.json"));
        home
    }

    /// The echo server, and the real one for Node if the tests' servers are installed.
    pub fn with_servers() -> Self {
        let mut servers = Map::new();
        servers.insert("echo".into(), echo::entry());
        if let Some(entry) = everything() {
            servers.insert("everything".into(), entry);
        }
        Self::new(servers)
    }

    /// `mcp-bridge WORDS` with nothing from outside but the PATH.
    pub fn command(&self, engine: Option<&Engine>, image: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
        command.args(words).current_dir(self.0.path()).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", self.0.path()).env("MCP_BRIDGE_STATE_DIR", self.0.path().join("state"));
        command.env("MCP_SERVERS_CONFIG", self.0.path().join("servers.json"));
        command.env("MCP_BRIDGE_LOG_LEVEL", "error").env("MCP_BRIDGE_TIMEOUT", "120");
        command.env("MCP_BRIDGE_IMAGE", image);
        if let Some(engine) = engine {
            let variable = if engine.name == "docker" { "DOCKER_HOST" } else { "CONTAINER_HOST" };
            command.env("MCP_BRIDGE_RUNTIME", engine.name).env(variable, &engine.endpoint);
        }
        command
    }

    /// `mcp-bridge serve`, after the handshake.
    pub fn serve(&self, engine: &Engine, image: &str) -> Client {
        Client::start(&mut self.command(Some(engine), image, &["serve"]))
    }
}

#[cfg(target_os = "linux")]
impl Home {
    /// `mcp-bridge serve` with the embedded sandbox and room for so many runs at once, after the handshake.
    pub fn serve_embedded(&self, user: User, runs: usize) -> Client {
        let mut command = self.command(None, "none", &["serve"]);
        command.env("PATH", super::plain::PATH).env("MCP_BRIDGE_RUNTIME", "embedded");
        // The default image, which was never pulled here, stands for the host's Python.
        command.env("MCP_BRIDGE_MAX_RUNS", runs.to_string()).env_remove("MCP_BRIDGE_IMAGE");
        Client::start(user.runs(&mut command))
    }
}

/// `server-everything` as `tests/support/install_servers.sh` installs it; see `tests/support/real.rs` for the place.
pub fn everything() -> Option<Value> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join(".test/servers");
    let folder = std::env::var_os("MCP_BRIDGE_TEST_SERVERS").map_or(default, Into::into);
    let text = std::fs::read_to_string(folder.join("servers.json")).ok()?;
    let mut file: Value = serde_json::from_str(&text).ok()?;
    let entry = file["mcpServers"]["everything"].take();
    entry.is_object().then_some(entry)
}

/// The command of an entry of a config file.
pub fn command_of(entry: &Value) -> Command {
    let mut command = Command::new(entry["command"].as_str().unwrap_or_default());
    command.args(entry["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
    for (name, value) in entry["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap_or_default());
    }
    command
}
