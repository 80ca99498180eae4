//! From a server's entry to a connection: which transport, which era, and what is tried next when the first is refused.

use std::sync::Arc;

use rmcp::model::ProtocolVersion;
use rmcp::service::ClientLifecycleMode;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::config::{Era, RemoteKind, ServerConfig, Transport};
use super::connection::{Connection, NotOpened};
use super::http::{self, Access, Address, Client, HELPER_TIME, Helper};
use super::lifeline::{LastWords, Lifeline};
use super::oauth::Tokens;
use super::queued::QueuedTransport;
use super::secrets::Secrets;
use super::tap::Tap;
use super::trouble::Trouble;
use super::upstreams::Options;
use super::{UpstreamError, config, sse, stdio, websocket};
use crate::chain::Chain;

/// Connects to a server and does the handshake, within the time that `options` give a start. `worked`: the era in which it last went
/// well.
pub(super) async fn open(
    config: &ServerConfig,
    options: &Options,
    tracker: &TaskTracker,
    secrets: &Secrets,
    worked: Era,
) -> Result<Connection, UpstreamError> {
    let deadline = Instant::now() + options.start_timeout;
    let opening = Opening { config, options, tracker, secrets, worked, deadline };
    match &config.transport {
        Transport::Stdio { .. } => opening.either_era(Way::Stdio).await,
        Transport::Remote { url, headers, kind, access } => {
            let unusable = |reason| Trouble::Unusable(reason).explain(&config.name, false);
            let address = Address::parse(url).map_err(|reason| unusable(format!("its address {reason}")))?;
            let is_websocket = address.websocket || *kind == RemoteKind::WebSocket;
            let words = LastWords::new(secrets.clone());
            let helper = access.headers_helper.as_ref().map(|command| opening.helper(command, url));
            let tokens = opening.tokens(url, access);
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
    secrets: &'a Secrets,
    worked: Era,
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
    /// In the era that the entry names; else in the one that went well before, and then in the other. Of a server that nothing is
    /// known of: over HTTP it is probed with `server/discover`, which costs nothing there; all others are asked to `initialize`, as an
    /// unknown first request ends some of them, and with `server/discover` when they do not know that.
    async fn either_era(&self, way: Way) -> Result<Connection, UpstreamError> {
        let discover = || ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let era = if self.config.era == Era::Any { self.worked } else { self.config.era };
        let first = match (era, &way) {
            (Era::Discover, _) => discover(),
            (Era::Any, Way::Http(_)) => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
            (Era::Any | Era::Initialize, _) => ClientLifecycleMode::Initialize,
        };
        let failure = match self.once(way.clone(), first).await {
            Ok(connection) => return Ok(connection),
            Err(failure) => failure,
        };
        let other = match era {
            _ if self.config.era != Era::Any => None,
            Era::Discover => speaks_no_discover(&failure.error).then_some(ClientLifecycleMode::Initialize),
            Era::Any | Era::Initialize => failure.knows_no_initialize.then(discover),
        };
        match other {
            Some(other) => self.once(way, other).await.map_err(|failure| failure.error),
            None => Err(failure.error),
        }
    }

    async fn once(&self, way: Way, lifecycle: ClientLifecycleMode) -> Result<Connection, NotOpened> {
        let server = self.config.name.as_str();
        let tap = Arc::new(Tap::new(server, self.secrets.clone()).heard_by(self.options.audience.clone()));
        let began = Began {
            server,
            tap: tap.clone(),
            lifecycle,
            deadline: self.deadline,
            limit: self.options.start_timeout,
            chain: &self.options.chain,
        };
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
                let opened = self.in_time(sse::open(client, tap, words, tracker)).await?;
                Connection::open(began, opened.0, opened.1, Some(tracker)).await
            }
            Way::WebSocket(Remote { client, words }) => {
                let opened = self.in_time(websocket::open(client, self.files(), tap, words, tracker)).await?;
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
            secrets: self.secrets,
            tracker: self.tracker,
        };
        stdio::open(entry, around, tap).await
    }

    async fn in_time<T>(&self, opening: impl Future<Output = Result<T, Trouble>>) -> Result<T, UpstreamError> {
        let server = self.config.name.as_str();
        match timeout_at(self.deadline, opening).await {
            Ok(outcome) => outcome.map_err(|trouble| trouble.explain(server, false)),
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
    fn tokens(&self, url: &str, access: &config::Access) -> Option<Tokens> {
        let logins = self.options.logins.as_ref().filter(|_| self.config.transport.own_proof().is_none())?;
        Some(Tokens::new(logins, url.to_owned(), access.oauth.clone(), self.secrets.clone()))
    }

    /// The user's command gets the user's environment, and is told for whom it works in the names that Claude Code uses.
    fn helper(&self, command: &str, url: &str) -> Helper {
        let mut env = self.options.inherit_env.clone();
        env.insert("CLAUDE_CODE_MCP_SERVER_NAME".into(), self.config.name.clone());
        env.insert("CLAUDE_CODE_MCP_SERVER_URL".into(), url.to_owned());
        // The server shall not be blamed for a start that the helper took up.
        let limit = HELPER_TIME.min(self.options.start_timeout / 2);
        Helper { command: command.to_owned(), env, limit, secrets: self.secrets.clone() }
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
    /// The bridges above the server.
    pub(super) chain: &'a Chain,
}

fn speaks_otherwise(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::HttpStatus { status, .. } => matches!(status, 400 | 404 | 405 | 406 | 415 | 501),
        UpstreamError::NotMcp { .. } => true,
        _ => false,
    }
}

/// Whether it may be that a server does not know `server/discover`: it refused, or ended. One that cannot be reached, or that wants to
/// know who we are, would say no more to `initialize`.
fn speaks_no_discover(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::HttpStatus { status, .. } => matches!(status, 400..500),
        UpstreamError::Handshake { .. }
        | UpstreamError::Exited { .. }
        | UpstreamError::Interrupted { .. }
        | UpstreamError::NotMcp { .. } => true,
        _ => false,
    }
}
