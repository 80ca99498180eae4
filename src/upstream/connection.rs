//! One live connection to a server, whatever the transport: the handshake, the tool list, calls.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rmcp::model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerPeerInfo, ServerResult};
use rmcp::service::{RoleClient, RunningService, serve_client_with_lifecycle};
use rmcp::transport::Transport;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::answerer::Answerer;
use super::config::Era;
use super::error::METHOD_NOT_FOUND;
use super::handshake::{AUTOPSY, handshake_failed, known_version, knows_no_initialize};
use super::lifeline::Lifeline;
use super::listen::Watched;
use super::listing::Lists;
use super::open::Began;
use super::request::{Failure, Line};
use super::secrets::Secrets;
use super::tools::{self, ServerTools};
use super::{MAX_LINE, UpstreamError, listen, outgoing, through};
use crate::chain::Chain;

/// Pages of one `tools/list`. The largest server known has 98 tools on one page; this stops one that never ends.
pub(super) const MAX_PAGES: usize = 256;
/// Bytes of pages after which no other page is asked for: a hundred times the largest list known.
const MAX_LIST: usize = 16 * 1024 * 1024;
/// The time a remote server gets to hear that we go.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    pub(super) server: String,
    pub(super) line: Line,
    /// Keeps rmcp's task alive, where no task of ours does; dropping it ends the connection.
    _running: Option<RunningService<RoleClient, Answerer>>,
    /// Not a process of ours: it has no exit status and no last words.
    is_remote: bool,
    lifeline: Lifeline,
    /// Seen to be dead by a call, perhaps before the lifeline says so.
    dead: AtomicBool,
    pub(super) since: SystemTime,
    tools: tokio::sync::Mutex<Option<Listed>>,
    /// When a list was not given last, and why.
    unlisted: Mutex<Option<(Instant, UpstreamError)>>,
    tool_count: AtomicUsize,
    pub(super) lists: Lists,
    /// Resources that a server of the newer era tells of.
    pub(super) watched: Watched,
}

/// A tool list and the number of `list_changed` notifications it already knows of.
struct Listed {
    changes: u64,
    tools: Arc<ServerTools>,
}

/// Why there is no connection.
pub(super) struct NotOpened {
    pub(super) error: UpstreamError,
    /// The server answered that it does not know `initialize`: it may be one of the newer era only.
    pub(super) knows_no_initialize: bool,
}

impl From<UpstreamError> for NotOpened {
    fn from(error: UpstreamError) -> Self {
        Self { error, knows_no_initialize: false }
    }
}

impl Connection {
    /// Does the handshake. On failure the transport is dropped, and with it all that it started. `remote`: for a server that is
    /// no process of ours, where its goodbye (the end of a session) is waited for.
    pub(super) async fn open<T: Transport<RoleClient> + 'static>(
        began: Began<'_>,
        transport: T,
        lifeline: Lifeline,
        remote: Option<&TaskTracker>,
    ) -> Result<Self, NotOpened> {
        let Began { server, tap, lifecycle, deadline, limit, chain } = began;
        let is_remote = remote.is_some();
        // Whichever way this ends without a connection, a dropped future included.
        let unopened = lifeline.stop.clone().drop_guard();
        let answerer = Answerer { tap: Arc::clone(&tap) };
        let running = match timeout_at(deadline, serve_client_with_lifecycle(answerer, transport, lifecycle)).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => {
                return Err(NotOpened {
                    knows_no_initialize: knows_no_initialize(&error),
                    error: handshake_failed(server, &error, &lifeline, tap.last_trouble(), is_remote).await,
                });
            }
            Err(_) => {
                let stderr = (!is_remote).then(|| lifeline.last_words.text());
                let silent = UpstreamError::StartTimeout { server: server.to_owned(), limit, stderr };
                return Err(tap.last_trouble().map_or(silent, |trouble| trouble.explain(server, false)).into());
            }
        };
        let line = Line { peer: running.peer().clone(), tap, chain: chain.clone() };
        if let Some(info) = line.peer.peer_info() {
            known_version(server, &info.protocol_version)?;
            if chain.ends_in(&Chain::in_meta(info.meta.as_deref())) {
                return Err(UpstreamError::Circle { server: server.to_owned() }.into());
            }
            if let Some(filter) = listen::offered(&info).filter(|_| line.tap.era() == Era::Discover) {
                let (listening, stop) =
                    (listen::listen(line.clone(), server.to_owned(), filter), lifeline.stop.clone());
                tokio::spawn(async move { stop.run_until_cancelled(listening).await });
            }
        }
        unopened.disarm();
        let running = match remote {
            None => Some(running),
            Some(tracker) => {
                let stop = lifeline.stop.clone();
                tracker.spawn(async move {
                    stop.cancelled().await;
                    let _ = tokio::time::timeout(GOODBYE, running.cancel()).await;
                });
                None
            }
        };
        let connection = Self {
            server: server.to_owned(),
            line,
            _running: running,
            is_remote,
            lifeline,
            dead: AtomicBool::new(false),
            since: SystemTime::now(),
            tools: tokio::sync::Mutex::new(None),
            unlisted: Mutex::default(),
            tool_count: AtomicUsize::new(usize::MAX),
            lists: Lists::default(),
            watched: Watched::default(),
        };
        connection.ask_for_logs().await;
        Ok(connection)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
            && !self.line.peer.is_transport_closed()
            && self.lifeline.how_it_ended().is_none()
    }

    /// Asks the connection to end; see [`Lifeline::stop`].
    pub(super) fn close(&self) {
        self.lifeline.stop.cancel();
    }

    /// Ends it, and lets nobody use it any more.
    pub(super) fn give_up(&self) {
        self.dead.store(true, Ordering::Release);
        self.close();
    }

    /// By which its end can be waited for without keeping it.
    pub(super) fn lifeline(&self) -> Lifeline {
        self.lifeline.clone()
    }

    /// How the conversation began.
    pub(super) fn era(&self) -> Era {
        self.line.tap.era()
    }

    /// How many tools the last list had; `None` before there was one.
    pub(super) fn tool_count(&self) -> Option<usize> {
        Some(self.tool_count.load(Ordering::Acquire)).filter(|&count| count != usize::MAX)
    }

    /// Why it is not open, for a call that was on its way (`called`) or not.
    pub(super) async fn epitaph(&self, called: bool) -> UpstreamError {
        self.give_up();
        let how = self.lifeline.ending(AUTOPSY).await;
        self.exited(how, called)
    }

    /// The same without waiting.
    pub(super) fn epitaph_now(&self) -> UpstreamError {
        self.exited(self.lifeline.how_it_ended(), false)
    }

    fn exited(&self, how: Option<String>, called: bool) -> UpstreamError {
        let server = self.server.clone();
        if self.is_remote {
            let reason = how.unwrap_or_else(|| "it was closed".into());
            return UpstreamError::Interrupted { server, reason: self.secrets().redact(reason), called };
        }
        UpstreamError::Exited {
            server,
            how: how.unwrap_or_else(|| "closed the connection".into()),
            ready: true,
            called,
            stderr: Some(self.lifeline.last_words.text()),
        }
    }

    /// The tools, from the last list unless the server said that it changed. One list at a time: who comes meanwhile waits
    /// for it.
    pub(super) async fn tools(&self, limit: Duration) -> Result<Arc<ServerTools>, UpstreamError> {
        let came = Instant::now();
        let mut listed = self.tools.lock().await;
        let unlisted = || self.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waited for a list that was not given has waited long enough.
        if let Some((_, error)) = unlisted().as_ref().filter(|(at, _)| *at >= came) {
            return Err(error.clone());
        }
        // Read before listing: a change that comes while the list is made asks for another one.
        let changes = self.line.tap.list_changes();
        if let Some(known) = listed.as_ref().filter(|known| known.changes == changes) {
            return Ok(known.tools.clone());
        }
        let failed = |error: &UpstreamError| *unlisted() = Some((Instant::now(), error.clone()));
        let tools = Arc::new(self.list(limit).await.inspect_err(failed)?);
        self.tool_count.store(tools.tools.len(), Ordering::Release);
        *listed = Some(Listed { changes, tools: tools.clone() });
        Ok(tools)
    }

    /// The last list, if there was one and the server did not say since that it changed.
    pub(super) fn known_tools(&self) -> Option<Arc<ServerTools>> {
        let listed = self.tools.try_lock().ok()?;
        listed.as_ref().filter(|known| known.changes == self.line.tap.list_changes()).map(|known| known.tools.clone())
    }

    async fn list(&self, limit: Duration) -> Result<ServerTools, UpstreamError> {
        let deadline = Instant::now() + limit;
        let mut tools = Vec::new();
        let mut unreadable = 0;
        let (mut cursors, mut bytes) = (HashSet::new(), 0);
        let mut cursor = None;
        for page_number in 1.. {
            let params = PaginatedRequestParams::default().with_cursor(cursor.clone());
            let request = ListToolsRequest { params: Some(params), ..Default::default() };
            let (result, understood) = match self.line.request(ClientRequest::ListToolsRequest(request), deadline).await
            {
                Ok(answer) => answer,
                Err(Failure::DeadlinePassed) => {
                    return Err(UpstreamError::ListTimeout { server: self.server.clone(), limit });
                }
                // Servers without tools need not know the method, and some that announce tools do not.
                Err(Failure::Refused(error)) if error.code.0 == METHOD_NOT_FOUND && page_number == 1 => break,
                Err(failure) => return Err(self.explain(failure, "tools/list").await),
            };
            // What rmcp understood of it: over HTTP it leaves out tools that ask for impossible headers, which must not be called.
            let allowed = |name: &str| match &understood {
                ServerResult::ListToolsResult(list) => list.tools.iter().any(|tool| tool.name == name),
                _ => true,
            };
            let page = tools::page(result.get()).map_err(|_| self.bad_answer("tools/list", result.get()))?;
            bytes += result.get().len();
            let known = tools.len();
            let sent = page.tools.len();
            tools.extend(page.tools.into_iter().filter(|tool| allowed(&tool.name)));
            unreadable += page.unreadable + sent - (tools.len() - known);
            cursor = page.next;
            match &cursor {
                None => break,
                Some(next) if page_number < MAX_PAGES && bytes < MAX_LIST && cursors.insert(next.clone()) => {}
                Some(_) => {
                    tracing::warn!(
                        server = self.server,
                        pages = page_number,
                        bytes,
                        "the tool list does not end; cut here"
                    );
                    break;
                }
            }
        }
        let tools = through::not_our_own(&self.line.chain, &self.server, tools)?;
        if unreadable > 0 {
            tracing::warn!(server = self.server, unreadable, "tool definitions that cannot be used were left out");
        }
        let info = self.line.peer.peer_info();
        let info: Option<&ServerPeerInfo> = info.as_deref();
        let implementation = info.and_then(|info| info.server_info.as_ref());
        Ok(ServerTools {
            name: self.server.clone(),
            instructions: info.and_then(|info| info.instructions.clone()),
            title: implementation.and_then(|server| server.title.clone()),
            version: implementation.map(|server| server.version.clone()),
            protocol: info.map(|info| info.protocol_version.to_string()),
            tools,
        })
    }

    /// Asks whether the server lives. Any answer says that it does, "method not found" included.
    pub(super) async fn ping(&self, limit: Duration) -> Result<(), UpstreamError> {
        let ping = ClientRequest::PingRequest(Default::default());
        match self.line.request(ping, Instant::now() + limit).await {
            Ok(_) | Err(Failure::Refused(_) | Failure::TooLarge(_)) => Ok(()),
            Err(Failure::DeadlinePassed) => Err(UpstreamError::PingTimeout { server: self.server.clone(), limit }),
            Err(failure) => match self.explain(failure, "ping").await {
                UpstreamError::HttpStatus { status: 0..=499, .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    pub(super) async fn explain(&self, failure: Failure, method: &str) -> UpstreamError {
        let server = self.server.clone();
        let error = match failure {
            Failure::Refused(error) => UpstreamError::Protocol {
                server,
                method: method.to_owned(),
                error_code: error.code.0,
                message: error.message.into_owned(),
                data: error.data.map(Box::new),
            },
            Failure::TooLarge(bytes) => UpstreamError::TooLarge { server, bytes, limit: MAX_LINE as u64 },
            Failure::Trouble(trouble) => {
                if trouble.ends_the_connection() {
                    // Others may still be waiting for their answers on it: it ends when the last of them has gone.
                    self.dead.store(true, Ordering::Release);
                }
                trouble.explain(&server, method == "tools/call")
            }
            Failure::NotReading => UpstreamError::NotReading { server, limit: outgoing::MAX_WAITING },
            Failure::NotSent => self.epitaph(false).await,
            Failure::Closed | Failure::DeadlinePassed => self.epitaph(method == "tools/call").await,
        };
        self.secrets().redact_error(error)
    }

    fn secrets(&self) -> &Secrets {
        &self.lifeline.last_words.secrets
    }

    pub(super) fn bad_answer(&self, method: &str, found: &str) -> UpstreamError {
        // Secrets go first: a cut through the middle of one would leave its rest unrecognized.
        let found = self.secrets().redact(found.to_owned()).chars().take(100).collect();
        UpstreamError::BadAnswer { server: self.server.clone(), method: method.to_owned(), found }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}
