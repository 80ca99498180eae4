//! The line from whatever works on a request back to the client that made it: what is to be told, and what is to be asked.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use super::Bridge;
use super::converse::is_stateless;
use super::input::Input;
use super::session::Session;
use crate::execution::Caller;
use crate::upstream::{Client, ClientError, ClientHandle, Party};

/// Messages that wait to be passed on. A server that tells more while the client does not read is not listened to.
const WAITING: usize = 256;

/// What goes over the line.
pub(super) enum Said {
    Note { method: String, params: Option<Box<RawValue>> },
    Question(Question),
}

/// Something the client is to be asked.
pub(super) struct Question {
    pub method: String,
    pub params: Option<Box<RawValue>>,
    /// Where the answer goes; closed when nobody waits for one any more.
    pub reply: oneshot::Sender<Result<Box<RawValue>, ClientError>>,
}

impl Question {
    /// A question that a newer-era client gets in a result, and an older one as a request.
    pub fn wire(&self) -> Value {
        let mut wire = json!({"method": self.method});
        if let Some(params) = self.params_value() {
            wire["params"] = params;
        }
        wire
    }

    pub fn params_value(&self) -> Option<Value> {
        self.params.as_ref().and_then(|params| serde_json::from_str(params.get()).ok())
    }
}

/// The near end, held by what works on the request.
struct Line {
    capabilities: Value,
    /// Who makes a request of the newer era; one of the older era belongs to its session.
    caller: Option<Caller>,
    session: Arc<Session>,
    said: mpsc::Sender<Said>,
    /// Where questions go once the request was answered by a task.
    input: Arc<Input>,
}

/// Both ends of a new line for one request.
pub(super) fn line(bridge: &Bridge, context: &RequestContext<RoleServer>) -> (ClientHandle, mpsc::Receiver<Said>) {
    line_beyond(bridge, context, Arc::default())
}

/// The same for a run that may become a task, whose questions are then put to `input`.
pub(super) fn line_beyond(
    bridge: &Bridge,
    context: &RequestContext<RoleServer>,
    input: Arc<Input>,
) -> (ClientHandle, mpsc::Receiver<Said>) {
    let (said, heard) = mpsc::channel(WAITING);
    let capabilities = serde_json::to_value(context.client_capabilities()).unwrap_or_default();
    let caller = is_stateless(context).then(|| bridge.caller.clone());
    let line = Line { capabilities, caller, session: Arc::clone(&bridge.session), said, input };
    (ClientHandle(Arc::new(line)), heard)
}

impl Client for Line {
    fn capabilities(&self) -> Value {
        self.capabilities.clone()
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>> {
        Box::pin(async move {
            let method = method.to_owned();
            if !able(&self.capabilities, &method) {
                return Err(if self.caller.is_some() { missing(&method) } else { ClientError::Unable { method } });
            }
            let (reply, answer) = oneshot::channel();
            let question = Said::Question(Question { method: method.clone(), params: params.clone(), reply });
            let was_heard = self.said.send(question).await.is_ok();
            match answer.await {
                Ok(answer) => answer,
                // Nobody hears any more, as the request was answered; or nobody did while it was.
                Err(_) if self.input.is_open() => self.input.ask(method, params).await,
                Err(_) if was_heard => Err(ClientError::Gone),
                Err(_) => Err(ClientError::Unable { method: format!("{method} any more: its request was answered") }),
            }
        })
    }

    fn party(&self) -> Party {
        match &self.caller {
            Some(caller) if caller.is_known() => Party::Caller(caller.name().into()),
            // Over HTTP each request of the newer era is served by itself: one of nobody in particular is nobody else's.
            Some(_) => Party::Request(Arc::as_ptr(&self.session).addr()),
            None => Party::Session(Arc::as_ptr(&self.session).addr()),
        }
    }

    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        if self.said.try_send(Said::Note { method: method.to_owned(), params }).is_err() {
            tracing::debug!(method, "the client does not read: not told");
        }
    }
}

/// Whether a client with these capabilities can be asked this.
pub(super) fn able(capabilities: &Value, method: &str) -> bool {
    needed(method).and_then(|capability| capabilities.get(capability)).is_some_and(Value::is_object)
}

fn needed(method: &str) -> Option<&'static str> {
    match method {
        "elicitation/create" => Some("elicitation"),
        "sampling/createMessage" => Some("sampling"),
        "roots/list" => Some("roots"),
        _ => None,
    }
}

/// What the newer era says where a request needs more than its client can (`MissingRequiredClientCapability`).
fn missing(method: &str) -> ClientError {
    let required: Map<String, Value> = needed(method).map(|name| (name.to_owned(), json!({}))).into_iter().collect();
    ClientError::Answered {
        code: -32021,
        message: format!("the client cannot be asked {method}"),
        data: Some(json!({"requiredCapabilities": required})),
    }
}
