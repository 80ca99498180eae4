//! What stands between the bytes of a transport and rmcp: results are taken as the text the server sent, before any typed
//! parse could drop a field or refuse a content type it does not know; notifications are handled here, in order.

mod news;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, CustomRequest, CustomResult, ErrorCode, ErrorData,
    GetExtensions, GetMeta, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerRequest, ServerResult,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::audience::Audience;
use super::config::Era;
use super::exchanges::{Answer, Ours, Theirs};
use super::flights::{Flights, OnBehalf};
use super::secrets::Secrets;
use super::trouble::Trouble;
use news::Subscribed;

/// The shape of any JSON-RPC message, with nothing inside it parsed.
#[derive(Deserialize)]
struct Envelope<'a> {
    jsonrpc: Option<IgnoredAny>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Error objects as servers write them: every field may be missing.
#[derive(Deserialize, Default)]
#[serde(default)]
struct WireError {
    code: Option<i64>,
    message: Option<String>,
    data: Option<Value>,
}

/// `params` of `notifications/cancelled`.
#[derive(Deserialize)]
struct TakenBack {
    #[serde(rename = "requestId")]
    request_id: RequestId,
}

/// A request of the handshake.
#[derive(Clone, Copy, PartialEq)]
enum Greeting {
    Initialize,
    Discover,
}

/// One connection's tap.
pub(super) struct Tap {
    pub(super) server: String,
    /// Requests whose answers rmcp itself must understand: those of the handshake.
    typed: Mutex<HashMap<RequestId, Greeting>>,
    /// All other requests.
    pub(super) ours: Ours,
    pub(super) theirs: Theirs,
    /// What went wrong last where no request was waited for: the handshake, a stream.
    trouble: Mutex<Option<Trouble>>,
    /// Resources that the server was asked to tell of.
    subscribed: Subscribed,
    /// Counts `notifications/tools/list_changed`, and the same of prompts and of resources.
    list_changes: [AtomicU64; 3],
    /// Of the last greeting that was answered.
    era: Mutex<Era>,
    /// A call can be made a task of the older era.
    takes_tasks: AtomicBool,
    /// For whom requests are made.
    pub(super) flights: Flights,
    audience: Audience,
    warned: AtomicBool,
    secrets: Secrets,
}

impl Tap {
    pub(super) fn new(server: &str, secrets: Secrets) -> Self {
        Self {
            server: server.to_owned(),
            secrets,
            era: Mutex::default(),
            takes_tasks: AtomicBool::default(),
            typed: Mutex::default(),
            ours: Ours::default(),
            theirs: Theirs::default(),
            trouble: Mutex::default(),
            subscribed: Subscribed::default(),
            list_changes: Default::default(),
            flights: Flights::default(),
            audience: Audience::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// The same, with these to be told what the server says to all.
    pub(super) fn heard_by(mut self, audience: Audience) -> Self {
        self.audience = audience;
        self
    }

    pub(super) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// How the conversation began; [`Era::Any`] before it did.
    pub(super) fn era(&self) -> Era {
        *self.era.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server of the older era said that its tools can be called as tasks.
    pub(super) fn takes_tasks(&self) -> bool {
        self.takes_tasks.load(Ordering::Acquire)
    }

    /// Looks at a message on its way out.
    pub(super) fn outgoing(&self, message: &ClientJsonRpcMessage) {
        let sent = match message {
            JsonRpcMessage::Request(sent) => sent,
            // It may overtake the request itself where that was given up at once.
            JsonRpcMessage::Notification(sent) => match &sent.notification {
                ClientNotification::CancelledNotification(it) => {
                    return it.params.request_id.iter().for_each(|id| self.ours.give_up(id));
                }
                _ => return,
            },
            _ => return,
        };
        let greeting = match sent.request {
            ClientRequest::InitializeRequest(_) => Greeting::Initialize,
            ClientRequest::DiscoverRequest(_) => Greeting::Discover,
            _ => {
                self.ours.sent(sent.id.clone());
                if let Some(behalf) = sent.request.extensions().get::<OnBehalf>() {
                    let token = sent.request.get_meta().get_progress_token();
                    self.flights.left(sent.id.clone(), token, behalf.clone());
                }
                return;
            }
        };
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).insert(sent.id.clone(), greeting);
    }

    /// The answer to this request, if it came; afterwards nobody waits for one.
    pub(super) fn take(&self, id: &RequestId) -> Option<Answer> {
        self.flights.landed(id);
        self.ours.take(id)
    }

    /// Nobody waits for this answer any more, if it did not come.
    pub(super) fn give_up(&self, id: &RequestId) {
        self.flights.landed(id);
        self.ours.give_up(id);
    }

    /// What went wrong last, other than with a request that was told itself.
    pub(super) fn last_trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A message found no way, or no way back. Gives the answer for rmcp where somebody waits for one that rmcp need not
    /// understand; otherwise the trouble is kept for [`Tap::last_trouble`].
    pub(super) fn troubled(&self, id: Option<&RequestId>, trouble: Trouble) -> Option<ServerJsonRpcMessage> {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let trouble = self.secrets.redact(format!("{trouble:?}"));
            tracing::debug!(server = self.server, trouble, "a message found no way");
        }
        if let Some(id) = id.filter(|id| self.ours.is_awaited(id)) {
            return Some(self.arrived(id.clone(), Answer::Trouble(trouble)));
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        None
    }

    /// Keeps an answer for who waits for it, and says to rmcp that it came.
    fn arrived(&self, id: RequestId, answer: Answer) -> ServerJsonRpcMessage {
        self.ours.answered(&id, answer);
        JsonRpcMessage::response(ServerResult::CustomResult(CustomResult(Value::Null)), id)
    }

    /// Turns a line into what rmcp shall see; `None` when there is nothing for it to see.
    pub(super) fn incoming(&self, line: &[u8]) -> Option<ServerJsonRpcMessage> {
        // A byte that is not UTF-8 becomes U+FFFD: one bad character must not lose the answer around it. Looking for one is several
        // times as slow as seeing that there is none.
        let text = std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let Ok(envelope) = serde_json::from_str::<Envelope>(text) else {
            self.skip(text);
            return None;
        };
        let id = envelope.id.and_then(|id| serde_json::from_str::<RequestId>(id.get()).ok());
        if let (Some(method), Some(id)) = (&envelope.method, &id) {
            // Theirs, with an id of their own choosing.
            return self.asked(method, id, envelope.params, text);
        }
        match (envelope.method, id.map(as_sent)) {
            // A question of its own that it takes back: rmcp knows which.
            (Some(method), _) if method == "notifications/cancelled" => {
                let taken_back = envelope.params.and_then(|it| serde_json::from_str::<TakenBack>(it.get()).ok());
                self.theirs.done(taken_back.map(|it| it.request_id).as_ref());
                serde_json::from_str(text).map_err(|_| self.skip(text)).ok()
            }
            (Some(method), _) => {
                self.notified(&method, envelope.params);
                None
            }
            (None, Some(id)) if envelope.jsonrpc.is_some() && envelope.result.is_none() && envelope.error.is_none() => {
                // Neither a result nor an error, or `"result": null`: still an answer, which must not be waited for.
                Some(self.arrived(id, Answer::Raw(RawValue::NULL.to_owned())))
            }
            (None, id) => self.answered(envelope.result, envelope.error, id, text),
        }
    }

    /// A request of the server's own.
    fn asked(
        &self,
        method: &str,
        id: &RequestId,
        params: Option<&RawValue>,
        text: &str,
    ) -> Option<ServerJsonRpcMessage> {
        let is_question = is_question(method);
        if !self.theirs.take_up(id, params.filter(|_| is_question)) {
            tracing::debug!(server = self.server, "a request that the server makes twice, or one too many, is dropped");
            return None;
        }
        if is_question {
            let question = CustomRequest::new(method.to_owned(), None);
            return Some(JsonRpcMessage::request(ServerRequest::CustomRequest(question), id.clone()));
        }
        let request = serde_json::from_str(text).ok();
        if request.is_none() {
            self.theirs.done(Some(id));
            self.skip(text);
        }
        request
    }

    /// The answer to `id` was too long to be kept.
    pub(super) fn too_long(&self, id: Option<RequestId>, bytes: u64) -> Option<ServerJsonRpcMessage> {
        tracing::warn!(server = self.server, bytes, answered = id.is_some(), "a line over the limit was dropped");
        let mut greetings = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a handshake nothing else is on its way: a line whose id could not be seen is its answer too.
        if greetings.drain().next().is_some() {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trouble::TooLarge(bytes));
        }
        drop(greetings);
        id.map(|id| self.arrived(as_sent(id), Answer::TooLarge(bytes)))
    }

    fn answered(
        &self,
        result: Option<&RawValue>,
        error: Option<&RawValue>,
        id: Option<RequestId>,
        text: &str,
    ) -> Option<ServerJsonRpcMessage> {
        if let Some(error) = error {
            match &id {
                Some(id) => drop(self.typed.lock().unwrap_or_else(PoisonError::into_inner).remove(id)),
                None => tracing::warn!(server = self.server, "the server reported an error that belongs to no request"),
            }
            let wire: WireError = serde_json::from_str(error.get()).unwrap_or_default();
            // -32603, "Internal error", for an error without a code that fits.
            let code = wire.code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-32603);
            let message = wire.message.unwrap_or_else(|| error.get().to_owned());
            return Some(JsonRpcMessage::error(ErrorData::new(ErrorCode(code), message, wire.data), id));
        }
        let (Some(result), Some(id)) = (result, id) else {
            self.skip(text);
            return None;
        };
        let greeting = self.typed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match greeting.map(|greeting| (greeting, serde_json::from_str(result.get()))) {
            // Some servers of the older era answer anything with anything.
            Some((Greeting::Discover, read)) if !matches!(read, Ok(ServerResult::DiscoverResult(_))) => {
                let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "not an answer to `server/discover`", None);
                return Some(JsonRpcMessage::error(error, Some(id)));
            }
            Some((greeting, Ok(understood))) => {
                let era = if greeting == Greeting::Discover { Era::Discover } else { Era::Initialize };
                let before = std::mem::replace(&mut *self.era.lock().unwrap_or_else(PoisonError::into_inner), era);
                // rmcp begins another session by itself where the server knows the first no more.
                if before == Era::Initialize {
                    self.began_anew();
                }
                // rmcp forgets what of the older era is no part of the newer one.
                let all: Value = serde_json::from_str(result.get()).unwrap_or_default();
                let takes_tasks = all.pointer("/capabilities/tasks/requests/tools/call").is_some_and(Value::is_object);
                self.takes_tasks.store(takes_tasks, Ordering::Release);
                return Some(JsonRpcMessage::response(understood, id));
            }
            _ => {}
        }
        // Tools whose arguments belong into headers too (SEP-2243): rmcp's HTTP worker, which sets those, must see the list.
        let with_headers = memchr::memmem::find(result.get().as_bytes(), b"x-mcp-header").is_some();
        let list = with_headers.then(|| serde_json::from_str(result.get()).ok()).flatten();
        let list = list.filter(|result| matches!(result, ServerResult::ListToolsResult(_)));
        let told = self.arrived(id.clone(), Answer::Raw(result.to_owned()));
        Some(list.map_or(told, |list| JsonRpcMessage::response(list, id)))
    }

    /// Something on the stream is not MCP. Said once a connection; the text itself only at debug, it may be anything.
    fn skip(&self, text: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(server = self.server, "the server writes to stdout what is not MCP; such lines are skipped");
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            // Secrets go first: a cut through the middle of one would leave its rest unrecognized.
            let start: String = self.secrets.redact(text.to_owned()).chars().take(200).collect();
            tracing::debug!(server = self.server, start, "skipped");
        }
    }
}

/// What a server may ask of a client.
pub(super) fn is_question(method: &str) -> bool {
    matches!(method, "elicitation/create" | "sampling/createMessage" | "roots/list")
}

/// The id of the request that a message is.
pub(super) fn asked(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Request(request) => Some(&request.id),
        _ => None,
    }
}

/// The id of the server's request that a message answers.
pub(super) fn replies(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    }
}

/// Our ids are numbers; some servers answer with the same number as a string.
fn as_sent(id: RequestId) -> RequestId {
    match &id {
        RequestId::String(text) => text.parse().map_or(id.clone(), RequestId::Number),
        RequestId::Number(_) => id,
    }
}
