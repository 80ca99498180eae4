//! A server that does what it likes, over whichever transport: one script, four ways to be reached.
//!
//! It counts its open connections, so that a test can wait until nothing of a bridge is left at it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mcp_bridge::upstream::config::{RemoteKind, ServerConfig, Transport};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::http_stub::{Request, remote};
use crate::stub::PATIENCE;
use crate::wire::{self, Out};

/// How the peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Through a relay: the process is the relay's, the words are the peer's.
    Stdio,
    Http,
    Sse,
    WebSocket,
}

pub const EVERY: &[Wire] = &[Wire::Stdio, Wire::Http, Wire::Sse, Wire::WebSocket];

/// What the peer does when it was asked something.
#[derive(Clone, Debug)]
pub enum Act {
    /// What is right.
    Plain,
    /// These messages, `$ID` replaced by the id of the request. Over HTTP one is an answer in JSON, several are a stream of events.
    Say(Vec<String>),
    /// The first half of an answer, and the connection ends.
    Half,
    /// The first half of an answer, and nothing more.
    Stuck,
    Silence,
    /// Not even the word that a message was taken, where the transport has one; else silence.
    Deaf,
    Die,
    /// This message again and again, `$N` replaced by its number, until the peer is mended or nobody reads.
    Flood(String),
    /// Bytes as they are, however the transport would frame a message; then the connection ends.
    Bytes(Vec<u8>),
}

pub type Script = Arc<dyn Fn(&Request) -> Act + Send + Sync>;

/// One running peer; gone with the value.
pub struct Peer {
    pub wire: Wire,
    pub port: u16,
    pub state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

pub struct State {
    script: Script,
    mended: watch::Sender<bool>,
    open: watch::Sender<usize>,
    /// Connections of HTTP on which an answer is owed, or a stream goes on.
    pub held: watch::Sender<usize>,
    log: Mutex<Vec<Request>>,
    news: Notify,
    /// The streams of events of HTTP with SSE, by the number in the address that takes messages.
    pub streams: Mutex<HashMap<usize, Out>>,
    pub next: AtomicUsize,
}

impl Peer {
    pub async fn start(wire: Wire, script: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            script: Arc::new(script),
            mended: watch::channel(false).0,
            open: watch::channel(0).0,
            held: watch::channel(0).0,
            log: Mutex::default(),
            news: Notify::new(),
            streams: Mutex::default(),
            next: AtomicUsize::new(0),
        });
        let served = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = served.clone();
                state.open.send_modify(|open| *open += 1);
                tokio::spawn(async move {
                    wire::serve(wire, stream, &state).await;
                    state.open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { wire, port, state, task }
    }

    /// The entry of that name by which the bridge reaches it.
    pub fn config(&self, name: &str) -> ServerConfig {
        let port = self.port;
        let mut config = match self.wire {
            Wire::Stdio => remote("http://unused/", RemoteKind::Unstated, &[]),
            Wire::Http => remote(&format!("http://127.0.0.1:{port}/mcp"), RemoteKind::StreamableHttp, &[]),
            Wire::Sse => remote(&format!("http://127.0.0.1:{port}/sse"), RemoteKind::Sse, &[]),
            Wire::WebSocket => remote(&format!("ws://127.0.0.1:{port}/"), RemoteKind::WebSocket, &[]),
        };
        config.name = name.to_owned();
        if self.wire == Wire::Stdio {
            let relay = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/relay.py");
            config.transport = Transport::Stdio {
                command: "python3".into(),
                // Without what it does not need it starts in a third of the time.
                args: ["-S", "-E", relay, &port.to_string()].map(str::to_owned).into(),
                env: Default::default(),
                cwd: None,
            };
        }
        config
    }

    /// From now on it does what is right.
    pub fn mend(&self) {
        self.state.mended.send_replace(true);
    }

    /// What it was asked of one method, of JSON-RPC or HTTP.
    pub fn asked(&self, method: &str) -> Vec<Request> {
        let log = self.state.log.lock().expect("the log");
        log.iter().filter(|request| request.asks() == method).cloned().collect()
    }

    /// Waits until it was asked this so often.
    pub async fn was_asked(&self, method: &str, times: usize) {
        let waiting = async {
            loop {
                let news = self.state.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if self.asked(method).len() >= times {
                    return;
                }
                news.await;
            }
        };
        let wanted = format!("{method} was not asked {times} times over {:?}", self.wire);
        tokio::time::timeout(PATIENCE, waiting).await.expect(&wanted);
    }

    /// Waits until no connection to it is open.
    pub async fn is_let_go(&self) {
        self.at_most(0, &self.state.open).await;
    }

    /// Waits until an answer is owed on this many connections, or fewer.
    pub async fn owes_at_most(&self, limit: usize) {
        self.at_most(limit, &self.state.held).await;
    }

    async fn at_most(&self, limit: usize, count: &watch::Sender<usize>) {
        let mut found = count.subscribe();
        let outcome = tokio::time::timeout(PATIENCE, found.wait_for(|found| *found <= limit)).await.map(drop);
        let left = *count.borrow();
        assert!(outcome.is_ok(), "{left} connections over {:?} are left, not {limit}", self.wire);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Notes what was asked, and says what is to be done.
    pub fn act(&self, request: &Request) -> Act {
        self.log.lock().expect("the log").push(request.clone());
        self.news.notify_waiters();
        if self.is_mended() { Act::Plain } else { (self.script)(request) }
    }

    pub fn is_mended(&self) -> bool {
        *self.mended.borrow()
    }

    pub fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is right: the answer of a server with one tool `t`. `None` for what has no answer.
pub fn plain(request: &Request) -> Option<String> {
    let id = request.body.get("id").filter(|_| request.body.get("method").is_some())?;
    let answer = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    Some(match request.asks() {
        "initialize" => answer(
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "p", "version": "1"}}),
        ),
        "tools/list" => answer(json!({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]})),
        "tools/call" => answer(json!({"content": [{"type": "text", "text": "called"}]})),
        "ping" => answer(json!({})),
        _ => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}}).to_string(),
    })
}
