//! A home folder of its own for each test, and the servers in it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Engine, Events, Outcome, finish};

/// Image that most tests use; `.ci/images` makes it without a registry.
const IMAGE: &str = "localhost/mcp-bridge-test:3.13";

/// A user's home: config files, state, and the environment of a bridge started in it.
pub struct Home {
    pub dir: TempDir,
    engine: Option<Engine>,
    env: Vec<(String, String)>,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("tempdir"), engine: None, env: Vec::new() }
    }

    /// A home whose bridge uses this engine.
    pub fn on(engine: &Engine) -> Self {
        Self { engine: Some(engine.clone()), ..Self::new() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Writes a file below the home.
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("write");
        self
    }

    /// Adds a server to the neutral folder of config files.
    pub fn server(self, name: &str, entry: &Value) -> Self {
        let text = json!({"mcpServers": {name: entry}}).to_string();
        self.file(&format!(".config/mcp/servers/{name}.json"), &text)
    }

    /// Adds the scriptable stub server under a name.
    pub fn stub(self, name: &str, script: &Value) -> Self {
        let path = self.path().join(format!("stub-{name}.json"));
        std::fs::write(&path, script.to_string()).expect("script");
        let entry = stub_server(&path);
        self.server(name, &entry)
    }

    /// Adds the stub under a name; what it does can be waited for.
    pub fn watched(self, name: &str, script: &Value) -> (Self, Events) {
        let path = |what: &str| self.path().join(format!("{name}.{what}"));
        let (pipe, lock, child) = (path("events"), path("lock"), path("child"));
        let mut script = script.clone();
        script["record"] = json!(pipe);
        script["lock"] = json!(lock);
        script["child"] = json!(child);
        let events = Events::at(&pipe, lock, child);
        (self.stub(name, &script), events)
    }

    /// The real binary, in this home and with nothing else of the caller's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("MCP_BRIDGE_STATE_DIR", self.path().join("state"))
            // One waits, so that tests go the usual way; more would have the machine prepare sandboxes that no test uses, and
            // without an engine there is nothing to prepare.
            .env("MCP_BRIDGE_POOL", if self.engine.is_some() { "1" } else { "0" })
            .current_dir(self.path());
        if let Some(engine) = &self.engine {
            command.env("MCP_BRIDGE_RUNTIME", engine.runtime());
            if let Some(user) = engine.user() {
                give(self.path(), user);
                command.uid(user).gid(user);
            }
        }
        match &self.engine {
            // The host's own Python.
            Some(engine) if engine.is_embedded() => drop(command.env("MCP_BRIDGE_FORK", engine.fork())),
            Some(engine) => {
                command.env("MCP_BRIDGE_IMAGE", IMAGE);
                command.env(if engine.name == "podman" { "CONTAINER_HOST" } else { "DOCKER_HOST" }, &engine.host);
            }
            None => drop(command.env("MCP_BRIDGE_IMAGE", IMAGE)),
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    /// The real binary to its end, with nothing on stdin.
    #[track_caller]
    pub fn finish(&self, arguments: &[&str]) -> Outcome {
        finish(self.command(arguments), "")
    }

    /// A client on `mcp-bridge serve`.
    pub fn serve(&self) -> Client {
        Client::start(self.command(&["serve"]))
    }
}

/// The binary under test, where every user may run it.
fn binary() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_mcp-bridge"));
    let open = |path: &Path| path.metadata().is_ok_and(|it| it.mode() & 0o005 == 0o005);
    if built.ancestors().all(open) {
        return built;
    }
    static COPY: OnceLock<TempDir> = OnceLock::new();
    let folder = COPY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("tempdir");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("opened");
        std::fs::copy(&built, folder.path().join("mcp-bridge")).expect("copied");
        folder
    });
    folder.path().join("mcp-bridge")
}

/// Everything below becomes this user's.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("given");
    if path.is_dir() && !path.is_symlink() {
        std::fs::read_dir(path).expect("listed").flatten().for_each(|entry| give(&entry.path(), user));
    }
}

/// The repository's root.
pub fn repo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Config entry of the stub server with this script.
pub fn stub_server(script: &Path) -> Value {
    json!({"command": "python3", "args": [repo().join("tests/support/stub_server.py"), script]})
}

/// The folder that `tests/support/install_servers.sh` filled.
pub fn test_servers_folder() -> PathBuf {
    std::env::var_os("MCP_BRIDGE_TEST_SERVERS").map_or_else(|| repo().join(".test/servers"), PathBuf::from)
}

/// Entries of the real servers that `tests/support/install_servers.sh` installed; skipped aloud where missing, a failure in CI.
pub fn test_servers() -> Option<Value> {
    let folder = test_servers_folder();
    match std::fs::read_to_string(folder.join("servers.json")) {
        Ok(text) => Some(serde_json::from_str::<Value>(&text).expect("servers.json")["mcpServers"].clone()),
        Err(_) if std::env::var_os("CI").is_some() => panic!("no real servers in {}", folder.display()),
        Err(_) => {
            eprintln!("SKIPPED: no real servers (tests/support/install_servers.sh {})", folder.display());
            None
        }
    }
}

/// The entry of one real server.
pub fn server_json(name: &str) -> Option<Value> {
    test_servers().map(|servers| servers[name].clone())
}
