//! The engines' own command lines: the reference for a cold run.

use std::process::{Command, Stdio};

/// What the references run: what a bare program with the libraries the guest needs costs.
const PROGRAM: &str = "import asyncio, json; print(1)";

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

    /// The command line, pointed at the engine. Podman's works in its own store, without the service, as people use it:
    /// `CONTAINERS_STORAGE_CONF` and the like are inherited.
    fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        if self.name == "docker" {
            command.args(["--host", &self.endpoint]);
        }
        command
    }

    pub fn version(&self) -> String {
        let asked = self.command().args(["version", "--format", "{{.Server.Version}}"]).output();
        let local = || self.command().arg("--version").output();
        let text = asked.ok().filter(|answer| answer.status.success()).or_else(|| local().ok());
        text.map_or_else(String::new, |answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// Whether the command line can run this image.
    pub fn has(&self, image: &str) -> bool {
        let looked =
            self.command().args(["image", "inspect", image]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        looked.is_ok_and(|status| status.success())
    }

    /// `docker run --rm …` with the limits and walls that the bridge asks for by default.
    pub fn run(&self, image: &str) {
        let mut command = self.command();
        command.args("run --rm --network none --read-only --hostname sandbox --workdir /workspace".split(' '));
        command.args("--memory 512m --memory-swap 512m --pids-limit 128 --cpus 1 --shm-size 64m".split(' '));
        command.args("--user 65534:65534 --cap-drop ALL --security-opt no-new-privileges --ipc private".split(' '));
        command.args("--log-driver none --oom-score-adj 500 --ulimit nofile=1024:1024 --ulimit core=0:0".split(' '));
        command.args(["--tmpfs", "/tmp:rw,nosuid,nodev,noexec,size=64m,mode=1777"]);
        command.args(["--tmpfs", "/workspace:rw,nosuid,nodev,noexec,size=128m,mode=1777"]);
        if self.name == "podman" {
            command.args(["--ulimit", "nproc=16384:16384"]);
        }
        let answer =
            command.args([image, "python3", "-c", PROGRAM]).output().expect("the engine's command line starts");
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.stdout == b"1\n", "{} run: {said}", self.name);
    }
}
