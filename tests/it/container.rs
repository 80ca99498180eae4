//! The bridge's own image and the composition of `examples/`: built by the Dockerfile as it stands and started on Podman, with no
//! registry. Images of the tests stand for those that it names, and in the place of `cargo` there is one that hands over the binary
//! under test.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Engine, Outcome, finish, repo, test_servers, test_servers_folder};

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

/// Images and containers of one test, by a name that no other test run on this engine has.
struct Composition {
    engine: Engine,
    name: String,
    port: u16,
}

impl Composition {
    fn new(engine: Engine) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
        Self { engine, name: format!("mcp-bridge-test-{}", std::process::id()), port: free.port() }
    }

    fn image(&self, what: &str) -> String {
        format!("localhost/{}:{what}", self.name)
    }

    /// Podman's command line, on the engine of the tests.
    fn podman(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new("podman");
        command.args(arguments).env("CONTAINER_HOST", &self.engine.host);
        finish(command, "")
    }

    /// `podman-compose` on the file of the examples; `token` for the client.
    fn compose(&self, arguments: &[&str], token: &str) -> Outcome {
        let mut command = Command::new(test_servers_folder().join("venv/bin/podman-compose"));
        command
            .args(["-p", &self.name, "-f"])
            .arg(repo().join("examples/compose.yaml"))
            .args(arguments)
            .env("CONTAINER_HOST", &self.engine.host)
            .env("BRIDGE_IMAGE", self.image("bridge"))
            .env("BRIDGE_PORT", self.port.to_string())
            .env("BRIDGE_TOKEN", token);
        finish(command, "")
    }

    fn build(&self, tag: &str, context: &std::path::Path, arguments: &[&str]) {
        let (tag, context) = (self.image(tag), context.display().to_string());
        let options = ["build", "--format", "docker", "--layers=false", "--force-rm", "--pull-never", "-t", &tag];
        self.podman(&[&options[..], arguments, &[&context]].concat()).exits(0);
    }

    /// The image, by the Dockerfile.
    fn build_bridge(&self) {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = |name: &str| folder.path().join(name);
        std::fs::copy(PathBuf::from(env!("CARGO_BIN_EXE_mcp-bridge")), file("mcp-bridge")).expect("copied");
        std::fs::write(file("cargo"), CARGO).expect("written");
        let steps = format!("FROM {DEBIAN}\nCOPY mcp-bridge /\nCOPY --chmod=755 cargo /usr/local/bin/\n");
        std::fs::write(file("Containerfile"), steps).expect("written");
        self.build("rust", folder.path(), &[]);
        let (rust, python) = (format!("RUST={}", self.image("rust")), format!("PYTHON={DEBIAN}"));
        self.build("bridge", &repo(), &["--build-arg", &rust, "--build-arg", &python]);
    }
}

impl Drop for Composition {
    fn drop(&mut self) {
        self.compose(&["down", "--volumes", "--timeout", "1"], "");
        self.podman(&["rmi", "--force", &self.image("bridge"), &self.image("rust")]);
    }
}

#[test]
fn the_composition_of_the_examples_answers_its_client() {
    let (Some(engine), Some(_)) = (Engine::get("podman"), test_servers()) else { return };
    let composition = Composition::new(engine);
    composition.build_bridge();
    let bridge = composition.image("bridge");
    let format = "{{.Config.User}} {{.Config.Healthcheck.Test}} {{.Config.Entrypoint}} {{.Config.Cmd}}";
    let image = composition.podman(&["image", "inspect", "--format", format, &bridge]).exits(0);
    assert_eq!(image.stdout.trim(), "10001:10001 [CMD mcp-bridge health] [mcp-bridge] [start]");

    let added = composition.compose(&["run", "--rm", "--no-deps", "-T", "bridge", "token", "add", "laptop"], "");
    // `podman-compose` tells before it what it has made.
    let token = added.exits(0).stdout.lines().last().expect("a token").to_owned();
    composition.compose(&["up", "--detach", "bridge", "shop"], "").exits(0);
    let client = ["--profile", "client", "run", "--rm", "-T", "client"];
    let answer = composition.compose(&client, &token);
    let answer = answer.exits(0).stdout;
    for part in ["status: success", "customers: 6", "orders: 12", "best: Acme"] {
        assert!(answer.contains(part), "{part} is not in\n{answer}");
    }
    // Whoever has no token is told so, and the same client reaches the bridge from outside.
    let refused = composition.compose(&client, "none");
    assert!(refused.code != Some(0) && refused.said().contains("401"), "{refused:?}");
    let mut outside = Command::new("python3");
    let url = format!("http://127.0.0.1:{}/mcp", composition.port);
    outside.arg(repo().join("examples/compose/client.py")).arg(url).env("BRIDGE_TOKEN", &token);
    assert!(finish(outside, "").exits(0).stdout.contains("best: Acme"));

    let container = format!("{}_bridge_1", composition.name);
    let status = composition.podman(&["exec", &container, "cat", "/proc/1/status"]).exits(0).stdout;
    let line = |name: &str| status.lines().find_map(|it| it.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    assert_eq!((line("Uid:").as_str(), line("CapBnd:").as_str()), ("10001\t10001\t10001\t10001", "0000000000000000"));
    assert_eq!(line("NoNewPrivs:"), "1");
    composition.podman(&["exec", &container, "mcp-bridge", "health"]).exits(0);
    // Each command in the container knows the bridge's own file.
    let servers = composition.podman(&["exec", &container, "mcp-bridge", "servers"]).exits(0).stdout;
    assert!(servers.contains("/etc/mcp-bridge/config.json"), "{servers}");
}
