//! The engines' own command lines, and the little of their API that the references need.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::process;

/// What the references run: what a bare program with the libraries the guest needs costs.
const PROGRAM: &str = "import asyncio, json; print(1)";
/// An engine answers within a second; a busy one is given more.
const PATIENCE: Duration = Duration::from_secs(60);
/// The label that a bridge gives its containers; its value names the bridge's process.
const LABEL: &str = "mcp-bridge.instance";

/// An engine the environment names.
#[derive(Clone)]
pub struct Engine {
    pub name: &'static str,
    pub endpoint: String,
}

impl Engine {
    /// Those that are there, in a fixed order.
    pub fn all() -> Vec<Self> {
        let named = |name, variable| {
            let endpoint = std::env::var(variable).ok().filter(|text| !text.is_empty());
            if endpoint.is_none() {
                eprintln!("left out: {name}, for {variable} is not set");
            }
            Some(Self { name, endpoint: endpoint? })
        };
        [("docker", "MCP_BRIDGE_TEST_DOCKER"), ("podman", "MCP_BRIDGE_TEST_PODMAN")]
            .into_iter()
            .filter_map(|(name, variable)| named(name, variable))
            .collect()
    }

    /// The command line, pointed at the engine. Podman's works in the service's own store, without the service, as people use it:
    /// the files that `.ci/engines` lays beside the socket say where that is.
    fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        if self.name == "docker" {
            command.args(["--host", &self.endpoint]);
        }
        let folder = self.socket().and_then(Path::parent);
        for (variable, file) in [("CONTAINERS_CONF", "containers.conf"), ("CONTAINERS_STORAGE_CONF", "storage.conf")] {
            let beside = folder.map(|folder| folder.join(file)).filter(|path| path.exists());
            if let (None, Some(path)) = (std::env::var_os(variable), beside) {
                command.env(variable, path);
            }
        }
        command
    }

    pub fn version(&self) -> String {
        let ask = |words: &[&str]| process::finish(self.command().args(words), "the version of an engine");
        let asked = ask(&["version", "--format", "{{.Server.Version}}"]);
        let answer = if asked.status.success() { asked } else { ask(&["--version"]) };
        String::from_utf8_lossy(&answer.stdout).trim().to_owned()
    }

    /// Whether the command line can run this image.
    pub fn has(&self, image: &str) -> bool {
        process::finish(self.command().args(["image", "inspect", image]), "an image").status.success()
    }

    /// `docker VERB --rm …` with the limits and walls that the bridge asks for by default.
    fn hardened(&self, verb: &str, image: &str, program: &str) -> Command {
        let mut command = self.command();
        command.args([verb, "--rm"]);
        command.args("--network none --read-only --hostname sandbox --workdir /workspace".split(' '));
        command.args("--memory 512m --memory-swap 512m --pids-limit 128 --cpus 1 --shm-size 64m".split(' '));
        command.args("--user 65534:65534 --cap-drop ALL --security-opt no-new-privileges --ipc private".split(' '));
        command.args("--log-driver none --oom-score-adj 500 --ulimit nofile=1024:1024 --ulimit core=0:0".split(' '));
        command.args(["--tmpfs", "/tmp:rw,nosuid,nodev,noexec,size=64m,mode=1777"]);
        command.args(["--tmpfs", "/workspace:rw,nosuid,nodev,noexec,size=128m,mode=1777"]);
        if self.name == "podman" {
            command.args(["--ulimit", "nproc=16384:16384"]);
        }
        // With `create`, standard input stays open.
        command.args((verb == "create").then_some("--interactive"));
        command.args([image, "python3", "-c", program]).stdin(Stdio::null());
        command
    }

    /// `docker run …`, not started yet.
    pub fn run_command(&self, image: &str) -> Command {
        self.hardened("run", image, PROGRAM)
    }

    /// `docker run …`, to its end.
    pub fn run(&self, image: &str) {
        let answer = process::finish(&mut self.run_command(image), "an engine's own `run`");
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.stdout == b"1\n", "{} run: {said}", self.name);
    }

    /// A container like the bridge's with this program, created and not started; its id.
    pub fn create(&self, image: &str, program: &str) -> String {
        let answer = process::finish(&mut self.hardened("create", image, program), "an engine's own `create`");
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{} create: {said}", self.name);
        String::from_utf8_lossy(&answer.stdout).trim().to_owned()
    }

    pub fn remove(&self, id: &str) {
        process::finish(self.command().args(["rm", "--force", id]), "the removal of a container");
    }

    /// The containers of the bridge with this process id: their ids.
    pub fn containers_of(&self, bridge: u32) -> Vec<String> {
        let list = self.get("/v1.40/containers/json?all=true");
        let owned = |one: &&Value| {
            let label = one["Labels"][LABEL].as_str().unwrap_or_default();
            label.split(' ').any(|word| word == bridge.to_string())
        };
        let ids = list.as_array().into_iter().flatten().filter(owned).filter_map(|one| one["Id"].as_str());
        ids.map(str::to_owned).collect()
    }

    /// The process that a container's first one is on the host.
    pub fn first_process(&self, id: &str) -> Option<u32> {
        let pid = self.get(&format!("/v1.40/containers/{id}/json"))["State"]["Pid"].as_u64()?;
        u32::try_from(pid).ok().filter(|pid| *pid > 0)
    }

    fn socket(&self) -> Option<&Path> {
        self.endpoint.strip_prefix("unix://").map(Path::new)
    }

    /// A connection to the API; `None` where it is not a Unix socket.
    pub fn connect(&self) -> Option<UnixStream> {
        let stream = UnixStream::connect(self.socket()?).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(stream)
    }

    /// `GET` of the API; null where that does not work. HTTP/1.0, whose answers come in one piece.
    fn get(&self, path: &str) -> Value {
        let ask = || {
            let mut stream = self.connect()?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n").as_bytes()).ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok()?;
            let _ = stream.shutdown(Shutdown::Both);
            let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            serde_json::from_slice(&answer[body..]).ok()
        };
        ask().unwrap_or_default()
    }
}
