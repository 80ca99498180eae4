//! Real MCP servers that are reached over a network, as Rust tests use them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A running server; gone with the value.
pub struct Peer {
    pub url: String,
    child: Child,
    /// What `peer.py` prints after its port.
    stdout: Option<BufReader<ChildStdout>>,
    port: u16,
    command: Vec<String>,
}

impl Peer {
    /// `peer.py` by the SDK of `line` (`older`: 1.x, `venv`: 2.x).
    pub fn sdk(folder: &Path, line: &str, transport: &str, more: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/peer.py");
        let python = folder.join(line).join("bin/python").display().to_string();
        let mut command = vec![python, script.display().to_string(), transport.to_owned()];
        command.extend(more.iter().map(|word| (*word).to_owned()));
        let (child, stdout, port) = started(&command);
        let (scheme, path) = match transport {
            "ws" => ("ws", "/"),
            "sse" => ("http", "/sse"),
            _ => ("http", "/mcp"),
        };
        Self { url: format!("{scheme}://127.0.0.1:{port}{path}"), child, stdout: Some(stdout), port, command }
    }

    /// The reference server "everything".
    pub fn everything(folder: &Path, mode: &str, path: &str) -> Self {
        let script = folder.join("npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        let command = vec!["node".to_owned(), script.display().to_string(), mode.to_owned()];
        Self::on_a_free_port(command, "PORT", path, "port")
    }

    /// The time server, which speaks stdio, behind a proxy that speaks SSE.
    pub fn proxy(folder: &Path) -> Self {
        let proxy = folder.join("older/bin/mcp-proxy").display().to_string();
        let server = folder.join("venv/bin/mcp-server-time").display().to_string();
        let port = free_port();
        let command = vec![proxy, "--port".into(), port.to_string(), "--".into(), server];
        Self::waited_for(command, None, port, "sse", "running on")
    }

    /// Servers as their makers publish them, told their port in words.
    pub fn published(folder: &Path, name: &str) -> Self {
        let port = free_port();
        let node =
            |script: &str| vec!["node".to_owned(), folder.join("npm/node_modules").join(script).display().to_string()];
        let python = |script: &str| vec![folder.join("venv/bin").join(script).display().to_string()];
        let (mut command, more, path, words) = match name {
            "playwright" => (node("@playwright/mcp/cli.js"), "--headless --port", "mcp", "listening on"),
            "notion" => {
                let more = "--transport http --auth-token notion-token-1 --port";
                (node("@notionhq/notion-mcp-server/bin/cli.mjs"), more, "mcp", "listening on")
            }
            "duckduckgo" => {
                (python("duckduckgo-mcp-server"), "--transport streamable-http --port", "mcp", "running on")
            }
            "duckduckgo-sse" => (python("duckduckgo-mcp-server"), "--transport sse --port", "sse", "running on"),
            "excel" => {
                let more = "streamable-http --allow-unauthenticated --log-level INFO --port";
                (python("excel-mcp-server"), more, "mcp", "started")
            }
            // It reads its port from the environment alone.
            "map" => {
                let script = node("@modelcontextprotocol/server-map/dist/index.js");
                return Self::waited_for(script, Some("PORT"), port, "mcp", "listening on");
            }
            other => panic!("nobody publishes {other}"),
        };
        command.extend(more.split(' ').map(str::to_owned));
        command.push(port.to_string());
        Self::waited_for(command, None, port, path, words)
    }

    fn on_a_free_port(command: Vec<String>, variable: &str, path: &str, words: &str) -> Self {
        let port = free_port();
        Self::waited_for(command, Some(variable), port, path, words)
    }

    /// Servers that want to be told their port, and say when they listen.
    fn waited_for(command: Vec<String>, variable: Option<&str>, port: u16, path: &str, words: &str) -> Self {
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(variable) = variable {
            process.env(variable, port.to_string());
        }
        let mut child = process.spawn().expect("the server starts");
        let (said, listening) = std::sync::mpsc::channel();
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("its stdout"));
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("its stderr"));
        for stream in [stdout, stderr] {
            let (said, words) = (said.clone(), words.to_owned());
            // Read on: a server whose output is full stands still.
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if line.to_lowercase().contains(&words) {
                        let _ = said.send(());
                    }
                }
            });
        }
        let url = format!("http://127.0.0.1:{port}/{path}");
        // From here on it is gone with the value, if the rest fails too.
        let peer = Self { url, child, stdout: None, port, command };
        listening.recv_timeout(super::stub::PATIENCE).expect("the server says that it listens");
        // Some say so a moment before it is true.
        let until = Instant::now() + super::stub::PATIENCE;
        while TcpStream::connect(("localhost", port)).is_err() && Instant::now() < until {
            std::thread::yield_now();
        }
        peer
    }

    /// Waits until the tool `sleep` says that it has begun.
    pub async fn is_busy(&mut self) {
        let mut stdout = self.stdout.take().expect("a peer that prints");
        let read = move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (line, stdout))
        };
        let (line, stdout) = tokio::task::spawn_blocking(read).await.expect("a thread").expect("a line");
        assert_eq!(line, "busy\n");
        self.stdout = Some(stdout);
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("killing");
        self.child.wait().expect("its end");
    }

    /// The same server again, on the same port.
    pub fn again(&mut self) {
        let mut command = self.command.clone();
        command.extend(["--port".to_owned(), self.port.to_string()]);
        let (child, stdout, _) = started(&command);
        (self.child, self.stdout) = (child, Some(stdout));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that prints its port.
fn started(command: &[String]) -> (Child, BufReader<ChildStdout>, u16) {
    let mut process = Command::new(&command[0]);
    process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = process.spawn().expect("the server starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    stdout.read_line(&mut line).expect("a line");
    let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
    (child, stdout, port.unwrap_or_else(|| panic!("it said {line:?}")))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Files of an authority and what it signed: a server on 127.0.0.1, and a client.
pub struct Certificates {
    pub ca: PathBuf,
    pub server: PathBuf,
    pub server_key: PathBuf,
    pub client: PathBuf,
    pub client_key: PathBuf,
}

pub fn certificates(folder: &Path) -> Certificates {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("an authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let ca = params.self_signed(&key).expect("an authority");
    let issuer = rcgen::Issuer::new(params, key);
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("writing");
        path
    };
    let signed = |name: &str, host: &str| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("a certificate");
        // With the authority's own name it would count as signed by itself.
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).expect("a signature");
        (write(&format!("{name}.pem"), certificate.pem()), write(&format!("{name}.key"), key.serialize_pem()))
    };
    let (server, server_key) = signed("server", "127.0.0.1");
    let (client, client_key) = signed("client", "client");
    Certificates { ca: write("ca.pem", ca.pem()), server, server_key, client, client_key }
}
