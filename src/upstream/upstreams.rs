//! A set of configured servers, by name. None waits for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::asking::Asking;
use super::audience::Audience;
use super::change::{self, Changes};
use super::config::ServerConfig;
use super::listing::Listing;
use super::oauth::Logins;
use super::pulse::Pulse;
use super::server::{Server, ServerState};
use super::tools::ServerTools;
use super::{UpstreamError, stdio};
use crate::chain::Chain;

/// What holds for all servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time from starting a server to its answer to `initialize`, and for one listing of its tools.
    pub start_timeout: Duration,
    /// The wait after a first failed start; it doubles with each further one, up to 30 s.
    pub first_back_off: Duration,
    /// The bridge's own environment, whole: what servers may inherit of it is an allow-list of this folder.
    pub inherit_env: BTreeMap<String, String>,
    /// The bridges above every server, this one last.
    pub chain: Chain,
    /// Where logins to remote servers are kept; none are used when `None`.
    pub logins: Option<Logins>,
    /// Who hears what servers say to all.
    pub audience: Audience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // What Claude Code allows; a cold `npx` or `uvx` download takes most of it.
            start_timeout: Duration::from_secs(30),
            // What a person needs to try again.
            first_back_off: Duration::from_secs(1),
            inherit_env: BTreeMap::new(),
            chain: Chain::default(),
            logins: None,
            audience: Audience::default(),
        }
    }
}

/// After the ladder of a process (polite, firm, kill), the time for its last tasks to end: 5 s in all.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// A set of configured servers and their connections. Cheap to clone; all clones are the same connections. A set never changes: of
/// other configurations [`Upstreams::reconfigured`] makes another set, and a server that is in no set any more is ended.
#[derive(Clone)]
pub struct Upstreams(Arc<Inner>);

struct Inner {
    servers: BTreeMap<String, Entry>,
    common: Arc<Common>,
}

struct Entry {
    config: ServerConfig,
    server: Arc<Server>,
}

/// What all sets that came of one have in common.
struct Common {
    options: Arc<Options>,
    closing: CancellationToken,
    tracker: TaskTracker,
    /// Every server of every set, as long as somebody holds it.
    ever: Mutex<Vec<Weak<Server>>>,
}

impl Upstreams {
    /// Starts nothing. Of two configurations with the same name the first one counts.
    pub fn new(configs: Vec<ServerConfig>, options: Options) -> Self {
        let common = Common {
            options: Arc::new(options),
            closing: CancellationToken::new(),
            tracker: TaskTracker::new(),
            ever: Mutex::default(),
        };
        let common = Arc::new(common);
        let servers = by_name(configs).into_iter().map(|(name, config)| (name, common.entry(config))).collect();
        Self(Arc::new(Inner { servers, common }))
    }

    /// The set for these configurations: servers that are reached as before keep their connections, the others begin without. Who
    /// still holds this set keeps its servers; one that is in the new set no more ends when the last of them lets go.
    pub fn reconfigured(&self, configs: Vec<ServerConfig>) -> (Self, Changes) {
        let configs = by_name(configs);
        let old = self.0.servers.iter().map(|(name, entry)| (name.clone(), &entry.config)).collect();
        let changes = change::diff(&old, &configs);
        let common = &self.0.common;
        let entry = |(name, config): (String, ServerConfig)| {
            let known = self.0.servers.get(&name).filter(|known| known.config.is_reached_like(&config));
            let entry = match known {
                Some(known) => Entry { config, server: known.server.clone() },
                None => common.entry(config),
            };
            (name, entry)
        };
        let servers = configs.into_iter().map(entry).collect();
        (Self(Arc::new(Inner { servers, common: common.clone() })), changes)
    }

    /// Whether this server is the same one in both sets, with the same connection.
    pub fn shares(&self, other: &Self, server: &str) -> bool {
        let [one, two] = [self, other].map(|set| set.0.servers.get(server).map(|entry| Arc::as_ptr(&entry.server)));
        one.is_some() && one == two
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.servers.keys().map(String::as_str)
    }

    /// The configuration of a server.
    pub fn config(&self, server: &str) -> Option<&ServerConfig> {
        self.0.servers.get(server).map(|entry| &entry.config)
    }

    /// How a server fares; `None` for a name that is not configured. Starts nothing.
    pub fn state(&self, server: &str) -> Option<ServerState> {
        Some(self.0.servers.get(server)?.server.state())
    }

    /// The tools of a server, all pages. Starts it on first use; listed once a connection, and again when the server says
    /// that they changed. Takes at most twice `start_timeout`.
    pub async fn tools(&self, server: &str) -> Result<Arc<ServerTools>, UpstreamError> {
        self.server(server)?.connection().await?.tools(self.0.common.options.start_timeout).await
    }

    /// The same without asking anybody: the last list of a live connection, unless the server said that it changed.
    pub fn known_tools(&self, server: &str) -> Option<Arc<ServerTools>> {
        self.0.servers.get(server)?.server.live()?.known_tools()
    }

    /// For health checks; `None` for a name that is not configured.
    pub fn pulse(&self, server: &str) -> Option<Pulse> {
        self.0.servers.get(server).map(|entry| Pulse(Arc::downgrade(&entry.server)))
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
        self.ask(server, Asking::tool(tool, arguments), deadline).await
    }

    /// Any request, likewise.
    pub async fn ask(&self, server: &str, asking: Asking, deadline: Instant) -> Result<Box<RawValue>, UpstreamError> {
        let begun = Instant::now();
        let connecting = self.server(server)?;
        match timeout_at(deadline, connecting.connection()).await {
            Ok(connection) => connection?.ask(asking, deadline).await,
            Err(_) => Err(UpstreamError::CallTimeout {
                server: server.to_owned(),
                tool: asking.subject().to_owned(),
                waited: begun.elapsed(),
                sent: false,
            }),
        }
    }

    /// The prompts, resources or templates of a server, all pages, each as it was sent; none where the server has no such thing. As
    /// [`Upstreams::tools`].
    pub async fn items(&self, server: &str, listing: Listing) -> Result<Arc<Vec<Value>>, UpstreamError> {
        self.server(server)?.connection().await?.items(listing, self.0.common.options.start_timeout).await
    }

    /// The same without asking anybody, as [`Upstreams::known_tools`].
    pub fn known_items(&self, server: &str, listing: Listing) -> Option<Arc<Vec<Value>>> {
        self.0.servers.get(server)?.server.live()?.known_items(listing)
    }

    /// Whether the server is connected and of the newer era, in which each request stands by itself.
    pub fn is_stateless(&self, server: &str) -> bool {
        self.0.servers.get(server).and_then(|entry| entry.server.live()).is_some_and(|live| live.is_stateless())
    }

    /// Whether the server was asked, over the connection that it has now, to tell of this resource.
    pub fn watches(&self, server: &str, uri: &str) -> bool {
        self.0.servers.get(server).and_then(|entry| entry.server.live()).is_some_and(|live| live.watches(uri))
    }

    /// Has a server of the newer era tell how a task of its own gets on, as long as the value lives; `None` where there is no connection.
    pub fn hear_of_task(&self, server: &str, id: &str) -> Option<AbortOnDropHandle<()>> {
        let live = self.0.servers.get(server)?.server.live().filter(|live| live.is_stateless())?;
        Some(live.hear_of_task(id))
    }

    /// Who hears what servers say to all.
    pub fn audience(&self) -> &Audience {
        &self.0.common.options.audience
    }

    /// Asks servers for log lines of this level and above: those that are connected, and those that will be.
    pub async fn set_log_level(&self, level: &str) {
        self.audience().set_log_level(level);
        let live = self.0.servers.values().filter_map(|entry| entry.server.live());
        futures::future::join_all(live.map(|connection| async move { connection.ask_for_logs().await })).await;
    }

    /// Tells connected servers that the folders of the only client there is changed.
    pub async fn roots_changed(&self) {
        let asks = |server: &str| self.audience().only_client(server).is_some();
        let asking = self.0.servers.iter().filter(|(name, _)| asks(name));
        let live = asking.filter_map(|(_, entry)| entry.server.live());
        futures::future::join_all(live.map(|connection| async move { connection.roots_changed().await })).await;
    }

    /// By which every server can be ended, of this set and of those that come of it.
    pub fn end(&self) -> End {
        End(Arc::clone(&self.0.common))
    }

    /// See [`End::shutdown`].
    pub async fn shutdown(&self) {
        self.end().shutdown().await;
    }

    fn server(&self, name: &str) -> Result<&Arc<Server>, UpstreamError> {
        self.0.servers.get(name).map(|entry| &entry.server).ok_or_else(|| self.unknown(name))
    }

    /// What is said of a name that is not configured.
    pub fn unknown(&self, name: &str) -> UpstreamError {
        UpstreamError::UnknownServer { server: name.to_owned(), known: self.names().map(str::to_owned).collect() }
    }
}

/// The end of all servers. It holds none of them: one that is in no set any more need not wait for it.
#[derive(Clone)]
pub struct End(Arc<Common>);

impl End {
    /// Ends every server, of all sets, and waits until nothing of them is left, at most 5 s. Later uses fail with `ShuttingDown`.
    pub async fn shutdown(&self) {
        let common = &self.0;
        common.closing.cancel();
        for server in common.ever().iter().filter_map(Weak::upgrade) {
            server.close();
        }
        common.tracker.close();
        if tokio::time::timeout(stdio::POLITE + stdio::FIRM + LAST_TASKS, common.tracker.wait()).await.is_err() {
            tracing::warn!("some servers did not end in time");
        }
    }
}

impl Common {
    fn entry(&self, config: ServerConfig) -> Entry {
        let (options, closing, tracker) = (self.options.clone(), self.closing.clone(), self.tracker.clone());
        let server = Arc::new(Server::new(config.clone(), options, closing, tracker));
        let mut ever = self.ever();
        ever.retain(|server| server.strong_count() > 0);
        ever.push(Arc::downgrade(&server));
        drop(ever);
        Entry { config, server }
    }

    fn ever(&self) -> MutexGuard<'_, Vec<Weak<Server>>> {
        self.ever.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_name(configs: Vec<ServerConfig>) -> BTreeMap<String, ServerConfig> {
    // The first of a name is the last to be put in.
    configs.into_iter().rev().map(|config| (config.name.clone(), config)).collect()
}
