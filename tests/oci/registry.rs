//! A real registry on loopback, and the plainest way to put an image there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// `me` and `word`, in the only form that the registry reads.
const LOGIN: &str = "me:$2y$05$abcdefghijklmnopqrstuuQDoL5Sa/TtfS/XN4AY/jgq.HBbO1BTu\n";

/// The registry's program. Missing: said aloud, and a failure in CI.
fn program() -> Option<PathBuf> {
    match std::env::var_os("MCP_BRIDGE_TEST_REGISTRY").filter(|path| !path.is_empty()) {
        Some(path) => Some(path.into()),
        None if std::env::var_os("CI").is_some() => panic!("MCP_BRIDGE_TEST_REGISTRY is not set"),
        None => {
            eprintln!("skipped: MCP_BRIDGE_TEST_REGISTRY is not set (see .ci/registry)");
            None
        }
    }
}

/// A running registry with data of its own; it ends with the test.
pub struct Registry {
    child: Child,
    data: tempfile::TempDir,
    address: String,
    login: bool,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    pub fn start(login: bool) -> Option<Self> {
        let program = program()?;
        // A port that was free a moment ago may be taken: then another is tried.
        for _ in 0..5 {
            let data = tempfile::tempdir().expect("a folder");
            let free = TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
            let address = free.to_string();
            std::fs::write(data.path().join("login"), LOGIN).expect("written");
            let auth = if login {
                format!("auth: {{htpasswd: {{realm: test, path: {}/login}}}}\n", data.path().display())
            } else {
                String::new()
            };
            let config = format!(
                "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: \"{address}\"}}\n{auth}",
                data.path().join("data").display()
            );
            std::fs::write(data.path().join("config.yml"), config).expect("written");
            let child = Command::new(&program)
                .arg("serve")
                .arg(data.path().join("config.yml"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the registry starts");
            let mut registry = Self { child, data, address, login };
            if registry.answers() {
                return Some(registry);
            }
        }
        panic!("no registry answers");
    }

    fn answers(&mut self) -> bool {
        let began = Instant::now();
        // Thirty seconds are enough for a loaded machine.
        while began.elapsed() < Duration::from_secs(30) && self.child.try_wait().expect("asked").is_none() {
            if TcpStream::connect(&self.address).is_ok() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where the registry keeps a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        self.data.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        // me:word
        let login = if self.login { "Authorization: Basic bWU6d29yZA==\r\n" } else { "" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{login}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, answer)
    }

    /// Puts bytes there; returns what points to them.
    pub fn push_blob(&self, repository: &str, bytes: &[u8], kind: &str) -> Value {
        let digest = digest(bytes);
        let (status, answer) = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), kind, b"");
        assert_eq!(status, 202, "{answer}");
        let header = answer.lines().find_map(|line| line.strip_prefix("Location: ")).expect("a place");
        let place = header.split_once("://").map_or(header, |(_, rest)| &rest[rest.find('/').expect("a path")..]);
        let path = format!("{}&digest={digest}", place.trim());
        let (status, answer) = self.ask("PUT", &path, "application/octet-stream", bytes);
        assert_eq!(status, 201, "{answer}");
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// Puts a manifest or an index there.
    pub fn push_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Value {
        let kind = manifest["mediaType"].as_str().expect("a kind");
        let bytes = manifest.to_string().into_bytes();
        let (status, answer) = self.ask("PUT", &format!("/v2/{repository}/manifests/{tag}"), kind, &bytes);
        assert_eq!(status, 201, "{answer}");
        json!({"mediaType": kind, "digest": digest(&bytes), "size": bytes.len()})
    }

    /// Puts an image there: a config, and layers as they are to be stored.
    pub fn push(&self, repository: &str, tag: &str, config: &[u8], layers: &[Vec<u8>]) -> Value {
        let config = self.push_blob(repository, config, "application/vnd.oci.image.config.v1+json");
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.push_blob(repository, layer, "application/vnd.oci.image.layer.v1.tar+gzip"))
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers});
        self.push_manifest(repository, tag, &manifest)
    }
}

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Stores a login as `docker login` does.
pub fn log_in(file: &Path, address: &str, word: &str) {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("me:{word}"));
    std::fs::write(file, json!({"auths": {address: {"auth": auth}}}).to_string()).expect("written");
}
