//! All configured servers, by name. None waits for another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::ServerConfig;
use super::server::{Server, ServerState};
use super::tools::ServerTools;
use super::{UpstreamError, stdio};

/// What holds for all servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time from starting a server to its answer to `initialize`, and for one listing of its tools.
    pub start_timeout: Duration,
    /// The wait after a first failed start; it doubles with each further one, up to 30 s.
    pub first_back_off: Duration,
    /// The bridge's own environment, whole: what servers may inherit of it is an allow-list of this folder.
    pub inherit_env: BTreeMap<String, String>,
    /// Value of `MCP_BRIDGE_CHAIN` in every server's environment: the ids of the bridges above it, ours last.
    pub chain: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // What Claude Code allows; a cold `npx` or `uvx` download takes most of it.
            start_timeout: Duration::from_secs(30),
            // What a person needs to try again.
            first_back_off: Duration::from_secs(1),
            inherit_env: BTreeMap::new(),
            chain: String::new(),
        }
    }
}

/// After the ladder of a process (polite, firm, kill), the time for its last tasks to end: 5 s in all.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// The connections to every configured server. Cheap to clone; all clones are the same connections.
#[derive(Clone)]
pub struct Upstreams(Arc<Inner>);

struct Inner {
    servers: BTreeMap<String, Arc<Server>>,
    options: Arc<Options>,
    closing: CancellationToken,
    tracker: TaskTracker,
}

impl Upstreams {
    /// Starts nothing. Of two configurations with the same name the first one counts.
    pub fn new(configs: Vec<ServerConfig>, options: Options) -> Self {
        let (options, closing, tracker) = (Arc::new(options), CancellationToken::new(), TaskTracker::new());
        let mut servers = BTreeMap::new();
        for config in configs {
            servers
                .entry(config.name.clone())
                .or_insert_with(|| Arc::new(Server::new(config, options.clone(), closing.clone(), tracker.clone())));
        }
        Self(Arc::new(Inner { servers, options, closing, tracker }))
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.servers.keys().map(String::as_str)
    }

    /// The configuration of a server.
    pub fn config(&self, server: &str) -> Option<&ServerConfig> {
        self.0.servers.get(server).map(|server| &server.config)
    }

    /// How a server fares; `None` for a name that is not configured. Starts nothing.
    pub fn state(&self, server: &str) -> Option<ServerState> {
        self.0.servers.get(server).map(|server| server.state())
    }

    /// The tools of a server, all pages. Starts it on first use; listed once a connection, and again when the server says
    /// that they changed. Takes at most twice `start_timeout`.
    pub async fn tools(&self, server: &str) -> Result<Arc<ServerTools>, UpstreamError> {
        self.server(server)?.connection().await?.tools(self.0.options.start_timeout).await
    }

    /// Calls a tool and gives the `CallToolResult` as the JSON text the server sent: nothing dropped, nothing converted.
    /// Starts the server on first use, within the same deadline. When the deadline passes, or the future is dropped, the
    /// server is sent `notifications/cancelled`.
    pub async fn call(
        &self,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let begun = Instant::now();
        let connecting = self.server(server)?;
        match timeout_at(deadline, connecting.connection()).await {
            Ok(connection) => connection?.call(tool, arguments, deadline).await,
            Err(_) => Err(UpstreamError::CallTimeout {
                server: server.to_owned(),
                tool: tool.to_owned(),
                waited: begun.elapsed(),
                sent: false,
            }),
        }
    }

    /// Ends every server and waits until nothing of them is left, at most 5 s. Later uses fail with `ShuttingDown`.
    pub async fn shutdown(&self) {
        self.0.closing.cancel();
        for server in self.0.servers.values() {
            server.close();
        }
        self.0.tracker.close();
        if tokio::time::timeout(stdio::POLITE + stdio::FIRM + LAST_TASKS, self.0.tracker.wait()).await.is_err() {
            tracing::warn!("some servers did not end in time");
        }
    }

    fn server(&self, name: &str) -> Result<&Arc<Server>, UpstreamError> {
        self.0.servers.get(name).ok_or_else(|| UpstreamError::UnknownServer {
            server: name.to_owned(),
            known: self.names().map(str::to_owned).collect(),
        })
    }
}
