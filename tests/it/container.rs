//! The bridge's own image and the composition of `examples/`, by the shell lines of GUIDE's chapter as they stand there: built by the
//! Dockerfile and started on Podman, with no registry. Images of the tests stand for those that it names, and in the place of `cargo`
//! there is one that hands over the binary under test. Only names, and the port of the machine, differ.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use crate::markdown::{blocks, read};
use crate::support::{Engine, Outcome, PATIENCE, finish, repo, test_servers, test_servers_folder};

/// Debian with Python, and nothing else that the image would have.
const DEBIAN: &str = "localhost/mcp-bridge-test:3.13";

const CARGO: &str = "#!/bin/sh
set -e
# What the real one would read is there: also the bench, for it is named in Cargo.toml.
test \"$*\" = \"build --release --locked\"
for file in Cargo.lock src/main.rs benches/figures.rs runtime-py/mcp_bridge_guest/loader.py sandbox-image/Containerfile.slim; do
    test -f $file
done
test ! -e target
test ! -e tests
mkdir -p target/release
cp /mcp-bridge target/release/mcp-bridge
";

/// What `docker` is here. Podman's check of health does not start by itself where there is no systemd.
const DOCKER: &str = r#"#!/bin/sh
build="--format docker --layers=false --force-rm --pull-never --build-arg RUST=$RUST --build-arg PYTHON=$PYTHON"
case $1 in
    build) shift; exec podman build $build "$@" ;;
    compose) shift; exec "$COMPOSE" -p "$PROJECT" --podman-build-args "$build" "$@" ;;
    *) exec podman "$@" ;;
esac
"#;

/// The chapter's blocks for a shell.
fn chapter() -> Vec<String> {
    let guide = read("GUIDE.md");
    let chapter = guide.split("\n## In a container\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let all = blocks(chapter.expect("the chapter"));
    all.into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect()
}

/// Images, containers and volumes of one test, by a name that no other test run on this engine has.
struct Containers {
    engine: Engine,
    name: String,
    port: u16,
    /// Has `docker` in it, and is where commands run.
    folder: TempDir,
}

impl Containers {
    fn new(engine: Engine, what: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
        let name = format!("mcp-bridge-test-{what}-{}", std::process::id());
        let all = Self { engine, name, port: free.port(), folder: tempfile::tempdir().expect("tempdir") };
        all.put("docker", DOCKER);
        all.build_rust();
        all
    }

    fn image(&self, what: &str) -> String {
        format!("localhost/{}:{what}", self.name)
    }

    /// Writes a program, or any file.
    fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("made a program");
    }

    /// A command on the engine of the tests, in this folder.
    fn run(&self, folder: &Path, words: &[&str]) -> Outcome {
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", self.folder.path().display()))
            .env("CONTAINER_HOST", &self.engine.host)
            .env("COMPOSE", test_servers_folder().join("venv/bin/podman-compose"))
            .env("PROJECT", &self.name)
            .env("RUST", self.image("rust"))
            .env("PYTHON", DEBIAN)
            .env("BRIDGE_IMAGE", self.image("bridge"))
            .env("BRIDGE_PORT", self.port.to_string());
        finish(command, "")
    }

    fn podman(&self, arguments: &[&str]) -> Outcome {
        self.run(self.folder.path(), &[&["podman"], arguments].concat())
    }

    /// Lines of the guide, in this folder.
    #[track_caller]
    fn shell(&self, folder: &Path, script: &str) -> String {
        self.run(folder, &["sh", "-euc", script]).exits(0).stdout
    }

    /// What stands for the image with Rust.
    fn build_rust(&self) {
        let folder = self.folder.path();
        std::fs::copy(binary(), folder.join("mcp-bridge")).expect("copied");
        self.put("cargo", CARGO);
        self.put("Containerfile", &format!("FROM {DEBIAN}\nCOPY mcp-bridge /\nCOPY cargo /usr/local/bin/\n"));
        let options = ["build", "--layers=false", "--force-rm", "--pull-never", "-t", &self.image("rust"), "."];
        self.podman(&options).exits(0);
        std::fs::remove_file(folder.join("mcp-bridge")).expect("removed");
    }

    fn size(&self, image: &str) -> u64 {
        let size = self.podman(&["image", "inspect", "--format", "{{.Size}}", image]).exits(0).stdout;
        size.trim().parse().expect("a size")
    }

    /// Waits until the engine says that the container is healthy.
    fn becomes_healthy(&self, container: &str) {
        let until = Instant::now() + PATIENCE;
        while self.podman(&["healthcheck", "run", container]).code != Some(0) {
            assert!(Instant::now() < until, "{}", self.podman(&["logs", container]).said());
            std::thread::yield_now();
        }
        let status = self.podman(&["inspect", "--format", "{{.State.Health.Status}}", container]).exits(0).stdout;
        assert_eq!(status.trim(), "healthy");
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let file = repo().join("examples/compose.yaml").display().to_string();
        self.run(&repo(), &["docker", "compose", "-f", &file, "down", "--volumes", "--timeout", "1"]);
        self.podman(&["rm", "--force", "--volumes", "--time", "1", &self.name]);
        self.podman(&["volume", "rm", "--force", &self.name]);
        self.podman(&["rmi", "--force", &self.image("bridge"), &self.image("rust")]);
    }
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_mcp-bridge"))
}

#[test]
fn an_image_is_built_and_started_as_it_stands_there() {
    let Some(engine) = Engine::get("podman") else { return };
    let containers = Containers::new(engine, "alone");
    let (name, image) = (&containers.name, containers.image("bridge"));
    let all = chapter();
    let (build, run) = all[0].split_once('\n').expect("lines");
    containers.shell(&repo(), &build.replace("-t mcp-bridge ", &format!("-t {image} ")));
    let format = "{{.Config.User}} {{.Config.Healthcheck.Test}} {{.Config.Entrypoint}} {{.Config.Cmd}}";
    let found = containers.podman(&["image", "inspect", "--format", format, &image]).exits(0);
    assert_eq!(found.stdout.trim(), "10001:10001 [CMD mcp-bridge health] [mcp-bridge] [start]");
    // Small is: Python's image and the binary. What else there is are two folders and a file of some bytes, in blocks of an archive.
    let (size, base) = (containers.size(&image), containers.size(DEBIAN));
    let own = binary().metadata().expect("a binary").len();
    assert!(size < base + own + (64 << 10), "{size} bytes, of which {base} are Python's image and {own} the binary");

    containers.put("servers.json", r#"{"mcpServers": {}}"#);
    let run = run
        .replace(" mcp-bridge token", &format!(" {image} token"))
        .replace("    mcp-bridge\n", &format!("    {image}\n"))
        .replace("bridge:/var", &format!("{name}:/var"))
        .replace("--name bridge", &format!("--name {name}"))
        .replace("127.0.0.1:8000", &format!("127.0.0.1:{}", containers.port));
    let said = containers.shell(containers.folder.path(), &run);
    let token = said.lines().find(|line| line.starts_with("mcpb_")).unwrap_or_else(|| panic!("no token: {said}"));
    containers.becomes_healthy(name);
    let call = r#"{"name": "run_python", "arguments": {"code": "import os\n[20 + 1, os.getuid()]"}}"#;
    let url = format!("http://127.0.0.1:{}/tools/call", containers.port);
    let (json, bearer) = ("Content-Type: application/json", format!("Authorization: Bearer {token}"));
    let answer = containers.run(&repo(), &["curl", "-sS", "-H", json, "-H", &bearer, "-d", call, &url]).exits(0).stdout;
    assert!(answer.contains(r#""result":[21,65534]"#), "{answer}");
}

#[test]
fn the_composition_of_the_examples_answers_its_client() {
    let (Some(engine), Some(_)) = (Engine::get("podman"), test_servers()) else { return };
    let containers = Containers::new(engine, "composed");
    let lines = chapter().remove(1);
    let said = containers.shell(&repo(), &format!("{lines}echo \"$BRIDGE_TOKEN\"\n"));
    for part in ["status: success", "customers: 6", "orders: 12", "best: Acme"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let token = said.lines().last().expect("a token");
    // Whoever has no token is told so, and the same client reaches the bridge from outside.
    let client = lines.lines().find(|line| line.contains("--profile client")).expect("the client");
    let refused = containers.run(&repo(), &["sh", "-c", &format!("BRIDGE_TOKEN=none {client}")]);
    assert!(refused.code != Some(0) && refused.said().contains("401"), "{refused:?}");
    let outside =
        format!("BRIDGE_TOKEN={token} python3 examples/compose/client.py http://127.0.0.1:{}/mcp", containers.port);
    assert!(containers.shell(&repo(), &outside).contains("best: Acme"));

    let container = format!("{}_bridge_1", containers.name);
    let status = containers.podman(&["exec", &container, "cat", "/proc/1/status"]).exits(0).stdout;
    let line = |name: &str| status.lines().find_map(|it| it.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    assert_eq!((line("Uid:").as_str(), line("CapBnd:").as_str()), ("10001\t10001\t10001\t10001", "0000000000000000"));
    assert_eq!(line("NoNewPrivs:"), "1");
    containers.becomes_healthy(&container);
    // Each command in the container knows the bridge's own file.
    let servers = containers.podman(&["exec", &container, "mcp-bridge", "servers"]).exits(0).stdout;
    assert!(servers.contains("/etc/mcp-bridge/config.json"), "{servers}");
}
