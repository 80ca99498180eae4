//! The bridge under measurement: the real binary, with an environment and a home of its own.

use std::io::{BufRead, BufReader};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::client::Client;
use super::echo;
use super::user::User;

/// The pool's default size, stated so that it is known here.
pub const POOL: u64 = 4;
/// How long the pool may take to be full again: four containers on a busy machine.
const FULL: Duration = Duration::from_secs(60);

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

    /// A home without servers.
    pub fn empty() -> Self {
        Self::new(Map::new())
    }

    /// A home with the echo server, and the real one for Node if the tests' servers are installed.
    pub fn with_servers() -> Self {
        let real = everything().map(|entry| ("everything".to_owned(), entry));
        Self::new([("echo".to_owned(), echo::entry())].into_iter().chain(real).collect())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes it this user's.
    pub fn of(self, user: User) -> Self {
        user.owns(self.0.path());
        user.owns(&self.0.path().join("servers.json"));
        self
    }

    /// `mcp-bridge WORDS` with nothing from outside but the PATH.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
        command.args(words).current_dir(self.0.path()).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", self.0.path()).env("MCP_BRIDGE_STATE_DIR", self.0.path().join("state"));
        command.env("MCP_SERVERS_CONFIG", self.0.path().join("servers.json"));
        // The pool's own lines, by which it is known when it is full.
        command.env("MCP_BRIDGE_LOG_LEVEL", "error,mcp_bridge::execution::pool=debug");
        command.env("MCP_BRIDGE_LOG_FORMAT", "json").stderr(Stdio::null());
        command.env("MCP_BRIDGE_TIMEOUT", "120");
        command
    }
}

/// `mcp-bridge serve` after the handshake, and what its pool says. Used like its [`Client`].
pub struct Bridge {
    client: Client,
    pool: Receiver<Counts>,
    counts: Counts,
    _home: Home,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    ready: u64,
    used: u64,
}

impl Bridge {
    /// Starts `command`, a `serve`.
    pub fn start(home: Home, command: &mut Command) -> Self {
        let mut client = Client::start(command.stderr(Stdio::piped()));
        let (sender, pool) = channel();
        let stderr = client.stderr().expect("piped");
        std::thread::spawn(move || listen(stderr, |counts| sender.send(counts).is_ok()));
        Self { client, pool, counts: Counts::default(), _home: home }
    }

    /// Waits until all that should wait is ready, after this many runs since the start.
    pub fn full(&mut self, runs: u64) {
        let until = Instant::now() + FULL;
        while self.counts.ready < POOL || self.counts.used < runs {
            match self.pool.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(counts) => self.counts = counts,
                Err(RecvTimeoutError::Disconnected) => panic!("the bridge ended while its pool was waited for"),
                Err(RecvTimeoutError::Timeout) => {
                    panic!(
                        "waited {} s for {POOL} sandboxes to be ready after {runs} runs: {:?}",
                        FULL.as_secs(),
                        self.counts
                    )
                }
            }
        }
    }

    /// Waits until the pool is full and has been told nothing for a moment: after runs whose number is not known.
    pub fn settled(&mut self) {
        while let Ok(counts) = self.pool.recv_timeout(Duration::from_millis(300)) {
            self.counts = counts;
        }
        self.full(0);
    }
}

/// Reads log lines to their end, and keeps reading when nobody wants them: a full pipe would stop the bridge.
fn listen(stderr: ChildStderr, mut tell: impl FnMut(Counts) -> bool) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &value["fields"];
        match (fields["ready"].as_u64(), fields["used"].as_u64()) {
            (Some(ready), Some(used)) => drop(tell(Counts { ready, used })),
            _ => eprintln!("the bridge says: {line}"),
        }
    }
}

impl Deref for Bridge {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Bridge {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
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
