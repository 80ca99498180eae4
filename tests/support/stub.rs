//! The scriptable stub server (`stub_server.py`; its script format is described there) as Rust tests use it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_bridge::upstream::config::{Secret, ServerConfig, Transport};
use mcp_bridge::upstream::{Options, Upstreams};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

/// Enough for anything that works, on a busy machine; a test that fails waits no longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

pub fn in_ms(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

/// One stub: its script, and the record of what it received, in a folder that goes with the value.
pub struct Stub {
    pub name: String,
    pub folder: TempDir,
    pub env: BTreeMap<String, Secret>,
    pub cwd: Option<PathBuf>,
}

impl Stub {
    pub fn new(name: &str, mut script: Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Every stub holds a lock while it lives; see `Stub::gone`.
        script["lock"] = json!(folder.path().join("lock"));
        let stub = Self { name: name.into(), folder, env: BTreeMap::new(), cwd: None };
        std::fs::write(stub.path("script.json"), script.to_string()).expect("writing the script");
        stub
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn config(&self) -> ServerConfig {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/stub_server.py");
        let args = [script, self.path("script.json"), self.path("record.jsonl")];
        ServerConfig {
            name: self.name.clone(),
            transport: Transport::Stdio {
                command: "python3".into(),
                args: args.iter().map(|path| path.display().to_string()).collect(),
                env: self.env.clone(),
                cwd: self.cwd.clone(),
            },
            call_timeout: None,
            description: None,
            era: Default::default(),
            expanded: Vec::new(),
            survival: Default::default(),
        }
    }

    pub fn upstreams(&self) -> Upstreams {
        upstreams([self])
    }

    /// What the stub wrote down so far.
    pub fn record(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("record.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a record line")).collect()
    }

    /// How often it was started.
    pub fn starts(&self) -> usize {
        self.record().iter().filter(|entry| entry["event"] == "start").count()
    }

    /// The messages with this method that it received.
    pub fn received(&self, method: &str) -> Vec<Value> {
        let record = self.record().into_iter().map(|mut entry| entry["message"].take());
        record.filter(|message| message["method"] == method).collect()
    }

    /// Waits until no process holds the lock of that name: `lock` for the server itself.
    pub async fn gone(&self, lock: &str) {
        gone(self.path(lock)).await;
    }
}

/// Waits until no process holds the lock on this file.
pub async fn gone(path: PathBuf) {
    let (sender, locked) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for one of its threads, and a failed test would never end.
    std::thread::spawn(move || sender.send(std::fs::File::open(path).and_then(|file| file.lock())));
    let locked = tokio::time::timeout(PATIENCE, locked).await.expect("the process still lives");
    locked.expect("the waiting thread").expect("a lock");
}

pub fn options() -> Options {
    Options {
        inherit_env: std::env::vars().collect(),
        chain: mcp_bridge::chain::Chain::read("test"),
        ..Options::default()
    }
}

pub fn upstreams<'a>(stubs: impl IntoIterator<Item = &'a Stub>) -> Upstreams {
    Upstreams::new(stubs.into_iter().map(Stub::config).collect(), options())
}

pub fn no_arguments() -> Map<String, Value> {
    Map::new()
}

pub fn arguments(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}
