//! A bridge that listens at a free port, in a home of its own, with one scriptable server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::raw::{Answer, Request};

/// For what must happen, on a machine that others use too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the server `stub` does: `wait` is answered when `go` was called.
fn script() -> Value {
    json!({
        "tools": [
            {"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}},
                "required": ["text"], "additionalProperties": false}},
            "wait", "go", "fail",
        ],
        "calls": {"wait": {"hold": "gate", "text": "went"}, "go": {"releases": "gate", "text": "gone"},
            "fail": {"is_error": "it failed"}},
    })
}

pub struct Bridge {
    pub home: TempDir,
    pub port: u16,
    pub child: Child,
    log: Receiver<String>,
    pub said: String,
}

/// A home with the stub in it.
pub fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a home");
    let path = home.path().join("script.json");
    std::fs::write(&path, script().to_string()).expect("a script");
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/stub_server.py");
    let file = json!({"mcpServers": {"stub": {"command": "python3", "args": [stub, path]}}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    home
}

/// The binary in this home, with nothing else of the caller's environment.
pub fn command(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
    command
        .args(words)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").expect("PATH"))
        .env("MCP_BRIDGE_STATE_DIR", home.join("state"))
        .env("MCP_BRIDGE_RUNTIME", "embedded")
        .env("MCP_BRIDGE_FORK", "off")
        .env("MCP_BRIDGE_POOL", "0")
        .env("MCP_BRIDGE_SOURCES", "")
        .env("MCP_SERVERS_CONFIG", home.join("servers.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn run(home: &Path, words: &[&str]) -> Output {
    command(home, words).output().expect("the bridge runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Bridge {
    pub fn start() -> Self {
        Self::with(home(), &[], &[])
    }

    pub fn with(home: TempDir, words: &[&str], env: &[(&str, &str)]) -> Self {
        let words = [&["start", "--http", "127.0.0.1:0"], words].concat();
        let mut command = command(home.path(), &words);
        command.envs(env.iter().copied());
        Self::started(home, command)
    }

    /// One that is started by this command.
    pub fn started(home: TempDir, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().expect("the bridge starts");
        let stderr = child.stderr.take().expect("stderr");
        let (sender, log) = channel();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut bridge = Self { home, port: 0, child, log, said: String::new() };
        let line = bridge.logged("MCP at ");
        let place = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).expect("a port");
        bridge.port = place.parse().expect("a port");
        bridge
    }

    /// Waits for a line of the log that holds this.
    #[track_caller]
    pub fn logged(&mut self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.log.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("{wanted:?} was never logged:\n{}", self.said));
            self.said += &line;
            self.said.push('\n');
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Everything it has logged so far.
    pub fn log(&mut self) -> &str {
        for line in self.log.try_iter() {
            self.said += &line;
            self.said.push('\n');
        }
        &self.said
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a token for this bridge.
    pub fn token(&self, name: &str) -> String {
        let made = run(self.home.path(), &["token", "add", name]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        text(&made.stdout).trim().to_owned()
    }

    pub fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).ask(self.port)
    }

    /// A JSON body to a path.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Request::new("POST", path).json(body).ask(self.port)
    }

    /// Lets calls of `wait` answer, also those that have not come to the gate yet, until the value is dropped.
    pub fn opens_the_gate(&self) -> Gate {
        let (shut, port) = (Arc::new(AtomicBool::new(false)), self.port);
        let seen = Arc::clone(&shut);
        let go = Request::new("POST", "/tools/call").json(&json!({"name": "stub__go"}));
        let opener = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                assert_eq!(go.ask(port).status, 200);
            }
        });
        Gate { shut, opener: Some(opener) }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("signal");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        // Its log ends with it.
        while self.log.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < until, "the bridge did not end");
        self.child.wait().expect("its end").code()
    }
}

pub struct Gate {
    shut: Arc<AtomicBool>,
    opener: Option<JoinHandle<()>>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shut.store(true, Ordering::Relaxed);
        let _ = self.opener.take().map(JoinHandle::join);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries until it gives something, or fails the test.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "never: {what}");
    }
}
