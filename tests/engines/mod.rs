//! The engines under test, and a view of them from outside: the Engine API in its plainest form.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use mcp_bridge::sandbox::container::{Engine, Kind, Options, Runtime, Surroundings};
use mcp_bridge::sandbox::{Backend, Limits, SandboxSpec};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

/// Runs a test on every engine that the environment names. One that is missing is skipped aloud, and fails in CI.
pub async fn each<R: Future<Output = ()>>(test: impl Fn(Bench) -> R) {
    for kind in [Kind::Docker, Kind::Podman] {
        match Bench::new(kind).await {
            Some(bench) => test(bench).await,
            None if std::env::var_os("CI").is_some() => panic!("{} is not set", variable(kind)),
            None => eprintln!("skipped on {}: {} is not set (see .ci/engines)", kind.name(), variable(kind)),
        }
    }
}

fn variable(kind: Kind) -> &'static str {
    match kind {
        Kind::Docker => "MCP_BRIDGE_TEST_DOCKER",
        Kind::Podman => "MCP_BRIDGE_TEST_PODMAN",
    }
}

pub fn address(kind: Kind) -> Option<String> {
    std::env::var(variable(kind)).ok().filter(|text| !text.is_empty())
}

pub fn options(state_dir: &Path) -> Options {
    Options {
        runtime: Runtime::Docker,
        surroundings: Surroundings::default(),
        allow_degraded: Vec::new(),
        state_dir: state_dir.to_owned(),
    }
}

/// One test on one engine: its sandboxes carry a mark of their own, so that tests at the same time do not count each other's.
pub struct Bench {
    pub engine: Engine,
    mark: String,
    socket: String,
}

impl Bench {
    /// `None`: the environment names no such engine.
    pub async fn new(kind: Kind) -> Option<Self> {
        let address = address(kind)?;
        let socket = address.strip_prefix("unix://").expect("a unix:// address").to_owned();
        Some(Self { engine: connect(kind).await, mark: mark(), socket })
    }

    pub fn name(&self) -> &str {
        self.engine.name()
    }

    /// A program in the usual image with small limits.
    pub fn spec(&self, program: &str) -> SandboxSpec {
        spec(program, &self.mark)
    }

    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Takes a name from an image.
    pub fn untag(&self, tag: &str) {
        let (status, body) = self.ask("DELETE", &format!("/images/{tag}?force=true&noprune=true"), None);
        assert_eq!(status, 200, "{body}");
    }

    /// Runs to the end, destroys, and gives what was printed.
    pub async fn run(&self, spec: &SandboxSpec) -> String {
        let mut sandbox = self.engine.launch(spec).await.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        let (mut out, mut err) = (String::new(), String::new());
        let (a, b) =
            tokio::join!(sandbox.program.read_to_string(&mut out), sandbox.supervisor.read_to_string(&mut err));
        a.and(b).expect("read");
        if !err.is_empty() {
            eprintln!("{}: stderr: {err}", self.name());
        }
        sandbox.handle.destroy().await.expect("destroyed");
        out
    }

    /// Waits (at most ten seconds) until neither the engine nor the process list knows anything of this test.
    pub async fn nothing_is_left(&self) {
        let began = Instant::now();
        loop {
            let left = [self.containers(), self.processes()].concat();
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{}: left behind: {left:?}", self.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ids of this test's containers, in whatever state.
    pub fn containers(&self) -> Vec<String> {
        let found = self.list();
        found.iter().map(|container| container["Id"].as_str().expect("an id").to_owned()).collect()
    }

    fn list(&self) -> Vec<Value> {
        let filters = json!({"label": [format!("mcp-bridge.run={}", self.mark)]}).to_string();
        let filters: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, body) = self.ask("GET", &format!("/containers/json?all=1&filters={filters}"), None);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("a list")
    }

    fn processes(&self) -> Vec<String> {
        let own = std::process::id().to_string();
        let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut found = Vec::new();
        for folder in folders.filter(|folder| folder.file_name().to_string_lossy() != own.as_str()) {
            let line = std::fs::read(folder.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.starts_with("python3") && line.contains(&format!("# {}\0", self.mark)) {
                found.push(line);
            }
        }
        found
    }

    /// A container as a bridge leaves it that was killed between creation and start: never started, its owner dead.
    pub fn orphan(&self) -> String {
        let living = self.list();
        let label = living[0]["Labels"]["mcp-bridge.instance"].as_str().expect("a label");
        let mut words: Vec<String> = label.split(' ').map(str::to_owned).collect();
        let mut child = std::process::Command::new("true").spawn().expect("started");
        words[3] = child.id().to_string();
        child.wait().expect("ended");
        let labels = json!({"mcp-bridge.instance": words.join(" "), "mcp-bridge.run": self.mark});
        let body = json!({"Image": "localhost/mcp-bridge-test:3.13", "Cmd": ["python3"], "Labels": labels,
            "OpenStdin": true, "HostConfig": {"NetworkMode": "none", "Ulimits": [
                {"Name": "nofile", "Soft": 256, "Hard": 256}, {"Name": "nproc", "Soft": 4096, "Hard": 4096}]}});
        let (status, answer) = self.ask("POST", "/containers/create", Some(body));
        assert_eq!(status, 201, "{answer}");
        let id = serde_json::from_str::<Value>(&answer).expect("json")["Id"].as_str().expect("an id").to_owned();
        // Attached and hung up: Podman has prepared it by then and calls it by another state.
        let mut stream = self.dial();
        let request = format!(
            "POST /v1.41/containers/{id}/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        assert!(stream.read(&mut [0; 64]).expect("answered") > 0);
        id
    }

    fn dial(&self) -> UnixStream {
        UnixStream::connect(&self.socket).expect("the engine's socket")
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} /v1.41{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = self.dial();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, body.to_owned())
    }
}

/// A connection of its own to the engine under test.
pub async fn connect(kind: Kind) -> Engine {
    let mut options = options(&std::env::temp_dir());
    options.surroundings.docker_host = address(kind);
    let engine = Engine::connect(options).await.expect("the engine named by the environment answers");
    assert_eq!(engine.kind(), kind);
    engine
}

/// What the sandboxes of one test carry, and those of no other.
pub fn mark() -> String {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed))
}

/// See [`Bench::spec`].
pub fn spec(program: &str, mark: &str) -> SandboxSpec {
    let program = format!("{program}\n# {mark}");
    SandboxSpec {
        run: mark.to_owned(),
        image: "localhost/mcp-bridge-test:3.13".into(),
        command: ["python3", "-c", &program].map(String::from).to_vec(),
        env: Vec::new(),
        limits: Limits {
            memory: 128 << 20,
            pids: 64,
            cpus: 2.0,
            user: "65534:65534".into(),
            tmp: 4 << 20,
            workspace: 8 << 20,
            open_files: 256,
        },
        boot: bytes::Bytes::new(),
    }
}

/// An engine that says what real ones say on hosts that are hard to come by: it creates containers with this answer, can
/// enforce everything by its own word, and does nothing else.
pub struct Fake {
    address: String,
    requests: watch::Receiver<Vec<String>>,
}

impl Fake {
    pub fn start(creation: &'static str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = format!("tcp://{}", listener.local_addr().expect("an address"));
        let (heard, requests) = watch::channel(Vec::new());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                if stream.read_line(&mut line).is_err() {
                    continue;
                }
                let (mut header, mut length) = (String::new(), 0);
                while stream.read_line(&mut header).is_ok_and(|read| read > 2) {
                    let value = header.to_ascii_lowercase();
                    length = value.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap_or(0));
                    header.clear();
                }
                let _ = stream.read_exact(&mut vec![0; length]);
                let (status, body) = match line.split(' ').nth(1).unwrap_or_default() {
                    path if path.ends_with("/_ping") => ("200 OK", "OK"),
                    path if path.ends_with("/info") => {
                        ("200 OK", r#"{"SecurityOptions": ["name=seccomp,profile=default"]}"#)
                    }
                    path if path.contains("/images/") => ("200 OK", r#"{"Id": "sha256:0123456789abcdef0123"}"#),
                    path if path.contains("/containers/create") => ("201 Created", creation),
                    _ if line.starts_with("DELETE") => ("204 No Content", ""),
                    _ => ("500 Internal Server Error", r#"{"message": "this engine cannot do that"}"#),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.get_mut().write_all(answer.as_bytes());
                heard.send_modify(|all| all.push(line.clone()));
            }
        });
        Self { address, requests }
    }

    /// A connection whose operator accepts these broken promises.
    pub async fn engine(&self, allowed: &[&str]) -> Engine {
        let mut options = options(&std::env::temp_dir());
        options.surroundings.docker_host = Some(self.address.clone());
        options.allow_degraded = allowed.iter().map(|name| (*name).to_owned()).collect();
        Engine::connect(options).await.expect("the fake answers")
    }

    /// Waits until it was asked for this.
    pub async fn asked_for(&self, method: &str, path: &str) {
        let asked = |all: &Vec<String>| all.iter().any(|line| line.starts_with(method) && line.contains(path));
        let waited =
            tokio::time::timeout(Duration::from_secs(10), self.requests.clone().wait_for(asked).map(drop)).await;
        assert!(waited.is_ok(), "never asked for {method} {path}: {:?}", self.requests.borrow());
    }
}
