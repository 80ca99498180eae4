//! From a server's entry to a connection: which transport, which era, and what is tried next when the first is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::ProtocolVersion;
use rmcp::service::ClientLifecycleMode;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::config::{Era, RemoteKind, Secret, ServerConfig, Transport};
use super::connection::{Connection, NotOpened};
use super::http::{self, Access, Address, Client, Helper};
use super::lifeline::{LastWords, Lifeline};
use super::oauth::Tokens;
use super::queued::QueuedTransport;
use super::tap::Tap;
use super::trouble::Trouble;
use super::upstreams::Options;
use super::{UpstreamError, config, sse, stdio, websocket};

/// Values in an address that are shorter are words (`true`, `json`), not secrets.
const SHORTEST_SECRET: usize = 8;

/// Connects to a server and does the handshake, within the time that `options` give a start.
pub(super) async fn open(
    config: &ServerConfig,
    options: &Options,
    tracker: &TaskTracker,
) -> Result<Connection, UpstreamError> {
    let deadline = Instant::now() + options.start_timeout;
    let opening = Opening { config, options, tracker, deadline };
    match &config.transport {
        Transport::Stdio { .. } => opening.either_era(Way::Stdio).await,
        Transport::Remote { url, headers, kind, access } => {
            let unusable = |reason| Trouble::Unusable(reason).explain(&config.name, false);
            let address = Address::parse(url).map_err(|reason| unusable(format!("its address {reason}")))?;
            let is_websocket = address.websocket || *kind == RemoteKind::WebSocket;
            if is_websocket && address.socket.is_some() {
                return Err(unusable("a WebSocket behind a Unix socket is not supported".into()));
            }
            let words = LastWords::new(secrets(headers, &address));
            let helper = access.headers_helper.as_ref().map(|command| opening.helper(command, url));
            let tokens = opening.tokens(url, headers, access);
            let proof = Access::new(headers, helper, tokens).map_err(unusable)?;
            let client = Client::new(address, proof, access).map_err(unusable)?;
            let remote = |way: fn(Remote) -> Way| way(Remote { client: client.clone(), words: words.clone() });
            match kind {
                _ if is_websocket => opening.either_era(remote(Way::WebSocket)).await,
                RemoteKind::Sse => opening.either_era(remote(Way::Sse)).await,
                RemoteKind::StreamableHttp | RemoteKind::WebSocket => opening.either_era(remote(Way::Http)).await,
                RemoteKind::Unstated => match opening.either_era(remote(Way::Http)).await {
                    // What the specification says of servers that only know the older transport: they refuse the POST.
                    Err(first) if speaks_otherwise(&first) => {
                        tracing::debug!(server = config.name, "no Streamable HTTP: trying HTTP with SSE");
                        opening.either_era(remote(Way::Sse)).await.map_err(|_| first)
                    }
                    outcome => outcome,
                },
            }
        }
    }
}

struct Opening<'a> {
    config: &'a ServerConfig,
    options: &'a Options,
    tracker: &'a TaskTracker,
    deadline: Instant,
}

#[derive(Clone)]
enum Way {
    Stdio,
    Http(Remote),
    Sse(Remote),
    WebSocket(Remote),
}

#[derive(Clone)]
struct Remote {
    client: Client,
    words: LastWords,
}

impl Opening<'_> {
    /// In the era that the entry names. Otherwise HTTP servers are probed with `server/discover`, which costs nothing there; all
    /// others are asked to `initialize`, as an unknown first request ends some of them, and with `server/discover` when they
    /// do not know that.
    async fn either_era(&self, way: Way) -> Result<Connection, UpstreamError> {
        let discover = || ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let first = match (self.config.era, &way) {
            (Era::Discover, _) => discover(),
            (Era::Any, Way::Http(_)) => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
            (Era::Any | Era::Initialize, _) => ClientLifecycleMode::Initialize,
        };
        match self.once(way.clone(), first).await {
            Err(NotOpened { knows_no_initialize: true, .. }) if self.config.era == Era::Any => {
                self.once(way, discover()).await.map_err(|failure| failure.error)
            }
            outcome => outcome.map_err(|failure| failure.error),
        }
    }

    async fn once(&self, way: Way, lifecycle: ClientLifecycleMode) -> Result<Connection, NotOpened> {
        let server = self.config.name.as_str();
        let tap = Arc::new(Tap::new(server));
        let began =
            Began { server, tap: tap.clone(), lifecycle, deadline: self.deadline, limit: self.options.start_timeout };
        let tracker = self.tracker;
        match way {
            Way::Stdio => {
                let (transport, lifeline) = self.process(tap).await?;
                Connection::open(began, transport, lifeline, None).await
            }
            Way::Http(Remote { client, words }) => {
                let (lifeline, life) = Lifeline::new(words);
                let transport = http::transport(client, tap, lifeline.stop.clone(), life);
                Connection::open(began, transport, lifeline, Some(tracker)).await
            }
            Way::Sse(Remote { client, words }) => {
                let opened = self.in_time(sse::open(client, tap, words.clone(), tracker), &words).await?;
                Connection::open(began, opened.0, opened.1, Some(tracker)).await
            }
            Way::WebSocket(Remote { client, words }) => {
                let opening = websocket::open(client, self.files(), tap, words.clone(), tracker);
                let opened = self.in_time(opening, &words).await?;
                Connection::open(began, opened.0, opened.1, Some(tracker)).await
            }
        }
    }

    async fn process(&self, tap: Arc<Tap>) -> Result<(QueuedTransport, Lifeline), UpstreamError> {
        let Transport::Stdio { command, args, env, cwd } = &self.config.transport else {
            unreachable!("only an entry with a command is started")
        };
        let entry = stdio::Entry { server: &self.config.name, command, args, env, cwd: cwd.as_deref() };
        let around = stdio::Surroundings {
            inherit_env: &self.options.inherit_env,
            chain: &self.options.chain,
            tracker: self.tracker,
        };
        stdio::open(entry, around, tap).await
    }

    async fn in_time<T>(
        &self,
        opening: impl Future<Output = Result<T, Trouble>>,
        words: &LastWords,
    ) -> Result<T, UpstreamError> {
        let server = self.config.name.as_str();
        match timeout_at(self.deadline, opening).await {
            Ok(outcome) => {
                outcome.map_err(|trouble| trouble.redacted(|text| words.redact(text)).explain(server, false))
            }
            Err(_) => Err(UpstreamError::StartTimeout {
                server: server.to_owned(),
                limit: self.options.start_timeout,
                stderr: None,
            }),
        }
    }

    fn files(&self) -> &config::Access {
        match &self.config.transport {
            Transport::Remote { access, .. } => access,
            Transport::Stdio { .. } => unreachable!("only a remote server has certificates"),
        }
    }

    /// What a login left. A header that the entry gives itself goes before it.
    fn tokens(&self, url: &str, headers: &BTreeMap<String, Secret>, access: &config::Access) -> Option<Tokens> {
        let given = headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let folder = self.options.tokens.clone().filter(|_| !given && access.headers_helper.is_none())?;
        Some(Tokens::new(folder, url.to_owned(), access.oauth.clone()))
    }

    /// The user's command gets the user's environment, and is told for whom it works in the names that Claude Code uses.
    fn helper(&self, command: &str, url: &str) -> Helper {
        let mut env = self.options.inherit_env.clone();
        env.insert("CLAUDE_CODE_MCP_SERVER_NAME".into(), self.config.name.clone());
        env.insert("CLAUDE_CODE_MCP_SERVER_URL".into(), url.to_owned());
        Helper { command: command.to_owned(), env }
    }
}

/// What a handshake needs, whatever the transport.
pub(super) struct Began<'a> {
    pub(super) server: &'a str,
    pub(super) tap: Arc<Tap>,
    pub(super) lifecycle: ClientLifecycleMode,
    pub(super) deadline: Instant,
    /// The whole time of a start, for the error that says it passed.
    pub(super) limit: std::time::Duration,
}

fn speaks_otherwise(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::HttpStatus { status, .. } => matches!(status, 400 | 404 | 405 | 406 | 415 | 501),
        UpstreamError::NotMcp { .. } => true,
        _ => false,
    }
}

/// What must not be shown of a remote entry: its headers, and what its address holds beside a place.
fn secrets(headers: &BTreeMap<String, Secret>, address: &Address) -> impl Iterator<Item = String> {
    let mut secrets: Vec<String> = Vec::new();
    for value in headers.values() {
        let value = value.expose();
        // `Bearer x`: the token alone is as secret as the whole.
        secrets.extend(value.split_once(' ').map(|(_, token)| token.to_owned()));
        secrets.push(value.to_owned());
    }
    secrets.extend(address.url.password().map(str::to_owned));
    let values = address.url.query_pairs().map(|(_, value)| value.into_owned());
    secrets.extend(values.filter(|value| value.len() >= SHORTEST_SECRET));
    secrets.into_iter()
}
