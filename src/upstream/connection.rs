//! One live connection to a server, whatever the transport: the handshake, the tool list, calls.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, ErrorData, ListToolsRequest, PaginatedRequestParams,
    RequestId, ServerPeerInfo, ServerResult,
};
use rmcp::service::{
    Peer, PeerRequestOptions, RequestHandle, RoleClient, RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::Transport;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::error::METHOD_NOT_FOUND;
use super::handshake::{AUTOPSY, Refuser, handshake_failed, knows_no_initialize};
use super::lifeline::Lifeline;
use super::open::Began;
use super::tap::{Answer, Tap};
use super::tools::{self, ServerTools};
use super::trouble::Trouble;
use super::{MAX_LINE, UpstreamError, outgoing};

/// Pages of one `tools/list`. The largest server known has 98 tools on one page; this stops one that never ends.
const MAX_PAGES: usize = 256;
/// The time a remote server gets to hear that we go.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    server: String,
    peer: Peer<RoleClient>,
    /// Keeps rmcp's task alive, where no task of ours does; dropping it ends the connection.
    _running: Option<RunningService<RoleClient, Refuser>>,
    /// Not a process of ours: it has no exit status and no last words.
    is_remote: bool,
    tap: Arc<Tap>,
    lifeline: Lifeline,
    /// Seen to be dead by a call, perhaps before the lifeline says so.
    dead: AtomicBool,
    pub(super) since: SystemTime,
    tools: tokio::sync::Mutex<Option<Listed>>,
    tool_count: AtomicUsize,
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
        let Began { server, tap, lifecycle, deadline, limit } = began;
        let is_remote = remote.is_some();
        let running = match timeout_at(deadline, serve_client_with_lifecycle(Refuser, transport, lifecycle)).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => {
                return Err(NotOpened {
                    knows_no_initialize: knows_no_initialize(&error),
                    error: handshake_failed(server, &error, &lifeline, tap.last_trouble(), is_remote).await,
                });
            }
            Err(_) => {
                let stderr = (!is_remote).then(|| lifeline.last_words.text());
                return Err(UpstreamError::StartTimeout { server: server.to_owned(), limit, stderr }.into());
            }
        };
        let peer = running.peer().clone();
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
        Ok(Self {
            server: server.to_owned(),
            peer,
            _running: running,
            is_remote,
            tap,
            lifeline,
            dead: AtomicBool::new(false),
            since: SystemTime::now(),
            tools: tokio::sync::Mutex::new(None),
            tool_count: AtomicUsize::new(usize::MAX),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.dead.load(Ordering::Acquire) && !self.peer.is_transport_closed() && self.lifeline.how_it_ended().is_none()
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
            return UpstreamError::Interrupted { server, reason: self.lifeline.last_words.redact(reason), called };
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
        let mut listed = self.tools.lock().await;
        // Read before listing: a change that comes while the list is made asks for another one.
        let changes = self.tap.list_changes();
        if let Some(known) = listed.as_ref().filter(|known| known.changes == changes) {
            return Ok(known.tools.clone());
        }
        let tools = Arc::new(self.list(limit).await?);
        self.tool_count.store(tools.tools.len(), Ordering::Release);
        *listed = Some(Listed { changes, tools: tools.clone() });
        Ok(tools)
    }

    /// The last list, if there was one and the server did not say since that it changed.
    pub(super) fn known_tools(&self) -> Option<Arc<ServerTools>> {
        let listed = self.tools.try_lock().ok()?;
        listed.as_ref().filter(|known| known.changes == self.tap.list_changes()).map(|known| known.tools.clone())
    }

    async fn list(&self, limit: Duration) -> Result<ServerTools, UpstreamError> {
        let deadline = Instant::now() + limit;
        let mut tools = Vec::new();
        let mut unreadable = 0;
        let mut cursors = HashSet::new();
        let mut cursor = None;
        for page_number in 1.. {
            let params = PaginatedRequestParams::default().with_cursor(cursor.clone());
            let request = ListToolsRequest { params: Some(params), ..Default::default() };
            let (result, understood) = match self.request(ClientRequest::ListToolsRequest(request), deadline).await {
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
            let known = tools.len();
            let sent = page.tools.len();
            tools.extend(page.tools.into_iter().filter(|tool| allowed(&tool.name)));
            unreadable += page.unreadable + sent - (tools.len() - known);
            cursor = page.next;
            match &cursor {
                None => break,
                Some(next) if page_number < MAX_PAGES && cursors.insert(next.clone()) => {}
                Some(_) => {
                    tracing::warn!(server = self.server, pages = page_number, "the tool list does not end; cut here");
                    break;
                }
            }
        }
        if unreadable > 0 {
            tracing::warn!(server = self.server, unreadable, "tool definitions that cannot be used were left out");
        }
        let info = self.peer.peer_info();
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
        match self.request(ping, Instant::now() + limit).await {
            Ok(_) | Err(Failure::Refused(_) | Failure::TooLarge(_)) => Ok(()),
            Err(Failure::DeadlinePassed) => Err(UpstreamError::PingTimeout { server: self.server.clone(), limit }),
            Err(failure) => match self.explain(failure, "ping").await {
                UpstreamError::HttpStatus { status: 0..=499, .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    /// One `tools/call`; its `result` as the server wrote it.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let begun = Instant::now();
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match self.request(ClientRequest::CallToolRequest(CallToolRequest::new(params)), deadline).await {
            Ok((result, _)) if !result.get().starts_with('{') => Err(self.bad_answer("tools/call", result.get())),
            Ok((result, _)) => Ok(result),
            Err(Failure::DeadlinePassed) => Err(UpstreamError::CallTimeout {
                server: self.server.clone(),
                tool: tool.to_owned(),
                waited: begun.elapsed(),
                sent: true,
            }),
            Err(failure) => Err(self.explain(failure, "tools/call").await),
        }
    }

    /// Sends a request and waits for its answer, as the server wrote it and as far as rmcp had to understand it; when the deadline passes, or the caller no longer waits, the server is told.
    async fn request(
        &self,
        request: ClientRequest,
        deadline: Instant,
    ) -> Result<(Box<RawValue>, ServerResult), Failure> {
        let sending = self.peer.send_request_with_option(request, PeerRequestOptions::no_options());
        let handle =
            timeout_at(deadline, sending).await.map_err(|_| Failure::DeadlinePassed)?.map_err(Failure::from)?;
        let mut pending = Pending { tap: &self.tap, id: handle.id.clone(), handle: Some(handle) };
        let news = timeout_at(deadline, pending.news()).await.map_err(|_| Failure::DeadlinePassed)?;
        pending.handle = None;
        let understood = news.map_err(Failure::from)?;
        match self.tap.take(&pending.id) {
            Some(Answer::Raw(text)) => Ok((text, understood)),
            Some(Answer::TooLarge(bytes)) => Err(Failure::TooLarge(bytes)),
            Some(Answer::Trouble(trouble)) => Err(Failure::Trouble(trouble)),
            None => Err(Failure::Closed),
        }
    }

    async fn explain(&self, failure: Failure, method: &str) -> UpstreamError {
        let server = self.server.clone();
        match failure {
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
                let words = &self.lifeline.last_words;
                trouble.redacted(|text| words.redact(text)).explain(&server, method == "tools/call")
            }
            Failure::NotReading => UpstreamError::NotReading { server, limit: outgoing::MAX_WAITING },
            Failure::NotSent => self.epitaph(false).await,
            Failure::Closed | Failure::DeadlinePassed => self.epitaph(method == "tools/call").await,
        }
    }

    fn bad_answer(&self, method: &str, found: &str) -> UpstreamError {
        UpstreamError::BadAnswer {
            server: self.server.clone(),
            method: method.to_owned(),
            found: found.chars().take(100).collect(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Why a request has no result.
enum Failure {
    DeadlinePassed,
    Refused(ErrorData),
    TooLarge(u64),
    Trouble(Trouble),
    NotReading,
    /// The connection broke before the server had the whole request.
    NotSent,
    Closed,
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::Refused(error),
            ServiceError::TransportSend(error) => match error.error.downcast_ref::<io::Error>() {
                Some(cause) if cause.kind() == io::ErrorKind::WouldBlock => Self::NotReading,
                _ => Self::NotSent,
            },
            _ => Self::Closed,
        }
    }
}

/// A request on its way. Dropped before its answer came, it sends `notifications/cancelled`.
struct Pending<'a> {
    tap: &'a Tap,
    id: RequestId,
    handle: Option<RequestHandle<RoleClient>>,
}

impl Pending<'_> {
    /// That there is an answer, which the tap has, or will be none.
    async fn news(&mut self) -> Result<ServerResult, ServiceError> {
        match &mut self.handle {
            Some(handle) => (&mut handle.rx).await.unwrap_or(Err(ServiceError::TransportClosed)),
            None => Err(ServiceError::TransportClosed),
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.tap.take(&self.id);
        if let (Some(handle), Ok(runtime)) = (self.handle.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(handle.cancel(Some("the caller no longer waits".into())));
        }
    }
}
