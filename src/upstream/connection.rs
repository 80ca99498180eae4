//! One live connection to a server, whatever the transport: the handshake, the tool list, calls.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientConfig, ClientRequest, ClientResult, ErrorData, Implementation,
    ListToolsRequest, PaginatedRequestParams, ProtocolVersion, RequestId, ServerNotification, ServerPeerInfo,
    ServerRequest,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, NotificationContext, Peer, PeerRequestOptions, RequestContext,
    RequestHandle, RoleClient, RunningService, Service, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::Transport;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::error::METHOD_NOT_FOUND;
use super::lifeline::Lifeline;
use super::tap::{Answer, Tap};
use super::tools::{self, ServerTools};
use super::{MAX_LINE, UpstreamError, stdio};

/// Pages of one `tools/list`. The largest server known has 98 tools on one page; this stops one that never ends.
const MAX_PAGES: usize = 256;
/// How long an error waits for the process to be seen as ended, so that it can name the exit status.
const AUTOPSY: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    server: String,
    peer: Peer<RoleClient>,
    /// Keeps rmcp's task alive; dropping it ends the connection.
    _running: RunningService<RoleClient, Refuser>,
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

impl Connection {
    /// Does the handshake, within `limit`. On failure the transport is dropped, and with it all that it started.
    pub(super) async fn open<T: Transport<RoleClient, Error = io::Error> + 'static>(
        server: &str,
        transport: T,
        tap: Arc<Tap>,
        lifeline: Lifeline,
        limit: Duration,
    ) -> Result<Self, UpstreamError> {
        let serving = serve_client_with_lifecycle(Refuser, transport, ClientLifecycleMode::Initialize);
        let running = match tokio::time::timeout(limit, serving).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => return Err(handshake_failed(server, &error, &lifeline).await),
            Err(_) => {
                let stderr = lifeline.last_words.text();
                return Err(UpstreamError::StartTimeout { server: server.to_owned(), limit, stderr });
            }
        };
        Ok(Self {
            server: server.to_owned(),
            peer: running.peer().clone(),
            _running: running,
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

    /// How many tools the last list had; `None` before there was one.
    pub(super) fn tool_count(&self) -> Option<usize> {
        Some(self.tool_count.load(Ordering::Acquire)).filter(|&count| count != usize::MAX)
    }

    /// Why it is not open, for a call that was on its way (`called`) or not.
    pub(super) async fn epitaph(&self, called: bool) -> UpstreamError {
        self.dead.store(true, Ordering::Release);
        self.close();
        let how = self.lifeline.ending(AUTOPSY).await;
        self.exited(how, called)
    }

    /// The same without waiting.
    pub(super) fn epitaph_now(&self) -> UpstreamError {
        self.exited(self.lifeline.how_it_ended(), false)
    }

    fn exited(&self, how: Option<String>, called: bool) -> UpstreamError {
        UpstreamError::Exited {
            server: self.server.clone(),
            how: how.unwrap_or_else(|| "closed the connection".into()),
            ready: true,
            called,
            stderr: self.lifeline.last_words.text(),
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

    async fn list(&self, limit: Duration) -> Result<ServerTools, UpstreamError> {
        let deadline = Instant::now() + limit;
        let mut tools = Vec::new();
        let mut unreadable = 0;
        let mut cursors = HashSet::new();
        let mut cursor = None;
        for page_number in 1.. {
            let params = PaginatedRequestParams::default().with_cursor(cursor.clone());
            let request = ListToolsRequest { params: Some(params), ..Default::default() };
            let result = match self.request(ClientRequest::ListToolsRequest(request), deadline).await {
                Ok(result) => result,
                Err(Failure::DeadlinePassed) => {
                    return Err(UpstreamError::ListTimeout { server: self.server.clone(), limit });
                }
                // Servers without tools need not know the method, and some that announce tools do not.
                Err(Failure::Refused(error)) if error.code.0 == METHOD_NOT_FOUND && page_number == 1 => break,
                Err(failure) => return Err(self.explain(failure, "tools/list").await),
            };
            let page = tools::page(result.get()).map_err(|_| self.bad_answer("tools/list", result.get()))?;
            tools.extend(page.tools);
            unreadable += page.unreadable;
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
            tools,
        })
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
            Ok(result) if !result.get().starts_with('{') => Err(self.bad_answer("tools/call", result.get())),
            Ok(result) => Ok(result),
            Err(Failure::DeadlinePassed) => Err(UpstreamError::CallTimeout {
                server: self.server.clone(),
                tool: tool.to_owned(),
                waited: begun.elapsed(),
                sent: true,
            }),
            Err(failure) => Err(self.explain(failure, "tools/call").await),
        }
    }

    /// Sends a request and waits for its answer; when the deadline passes, or the caller no longer waits, the server is told.
    async fn request(&self, request: ClientRequest, deadline: Instant) -> Result<Box<RawValue>, Failure> {
        let sending = self.peer.send_request_with_option(request, PeerRequestOptions::no_options());
        let handle =
            timeout_at(deadline, sending).await.map_err(|_| Failure::DeadlinePassed)?.map_err(Failure::from)?;
        let mut pending = Pending { tap: &self.tap, id: handle.id.clone(), handle: Some(handle) };
        let news = timeout_at(deadline, pending.news()).await.map_err(|_| Failure::DeadlinePassed)?;
        pending.handle = None;
        news.map_err(Failure::from)?;
        match self.tap.take(&pending.id) {
            Some(Answer::Raw(text)) => Ok(text),
            Some(Answer::TooLarge(bytes)) => Err(Failure::TooLarge(bytes)),
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
            Failure::NotReading => UpstreamError::NotReading { server, limit: stdio::MAX_WAITING },
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

/// Why a request has no result.
enum Failure {
    DeadlinePassed,
    Refused(ErrorData),
    TooLarge(u64),
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
    async fn news(&mut self) -> Result<(), ServiceError> {
        match &mut self.handle {
            Some(handle) => (&mut handle.rx).await.unwrap_or(Err(ServiceError::TransportClosed)).map(drop),
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

async fn handshake_failed(server: &str, error: &ClientInitializeError, lifeline: &Lifeline) -> UpstreamError {
    let server = server.to_owned();
    let reason = match error {
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } => {
            let how = lifeline.ending(AUTOPSY).await.unwrap_or_else(|| "closed its output".into());
            let stderr = lifeline.last_words.text();
            return UpstreamError::Exited { server, how, ready: false, called: false, stderr };
        }
        ClientInitializeError::JsonRpcError(error) => {
            format!("the server answered `initialize` with error {}: {}", error.code.0, error.message)
        }
        ClientInitializeError::ConflictInitResponseId(wanted, found)
        | ClientInitializeError::UncorrelatedErrorResponse { expected: wanted, received: found } => {
            format!("the server answered request {found}; `initialize` was request {wanted}")
        }
        ClientInitializeError::ExpectedInitResult(_) => {
            "the server's answer to `initialize` lacks protocolVersion, capabilities or serverInfo".into()
        }
        other => other.to_string(),
    };
    UpstreamError::Handshake { server, reason: lifeline.last_words.redact(reason) }
}

/// Our side towards a server's own requests: it may ask whether we live, and nothing else is offered. We announce no
/// capability, so "method not found" is what the specification asks for. Notifications were handled by the tap.
struct Refuser;

impl Service<RoleClient> for Refuser {
    async fn handle_request(
        &self,
        request: ServerRequest,
        _: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        let method = match request {
            ServerRequest::PingRequest(_) => return Ok(ClientResult::empty(())),
            ServerRequest::CreateMessageRequest(_) => "sampling/createMessage".to_owned(),
            ServerRequest::ListRootsRequest(_) => "roots/list".to_owned(),
            ServerRequest::ElicitRequest(_) => "elicitation/create".to_owned(),
            ServerRequest::CustomRequest(request) => request.method,
            _ => "unknown".to_owned(),
        };
        Err(ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    async fn handle_notification(
        &self,
        _: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.protocol_version = ProtocolVersion::LATEST_WITH_INITIALIZE;
        info.client_info = Implementation::new("mcp-bridge", env!("CARGO_PKG_VERSION"));
        info
    }
}
