//! One request to a server: what is asked and for whom, and the rounds of one that needs input first (SEP-2322).

use std::borrow::Cow;
use std::sync::Weak;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, CustomRequest, GetExtensions, ProtocolVersion,
    RequestMetaObject,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::UpstreamError;
use super::audience::passed_on;
use super::client::{ClientError, ClientHandle};
use super::connection::Connection;
use super::flights::OnBehalf;
use super::listen::LISTEN;
use super::request::Failure;
use super::tasks;
use crate::exact::{Exact, Members};

/// Questions that a server may put one after another before it answers. The other implementations allow ten.
const MAX_ROUNDS: usize = 10;
/// What the client of a request can, in the `_meta` of the newer era.
pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` that belongs to the hop from the client to us, or that our own connection sets.
const OUR_OWN: [&str; 4] =
    ["progressToken", "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientInfo", CAPABILITIES];
/// The level of log lines that servers of the newer era are asked for with each request.
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// A request that a client's own becomes.
#[derive(Clone, Debug)]
pub struct Asking {
    pub method: &'static str,
    /// `_meta` apart.
    pub params: Map<String, Value>,
    /// The text of `arguments`, where the tree says a number differently.
    exact: Option<Exact>,
    /// The client's `_meta`, as far as it concerns the server.
    pub meta: Map<String, Value>,
    /// Who is told and asked meanwhile.
    pub client: Option<ClientHandle>,
    /// `inputResponses` and `requestState` of a client that goes through the rounds of a server's questions itself; such a client gets
    /// the questions as the result.
    pub round: Option<Map<String, Value>>,
    /// Whether the result may be a task (SEP-2663), which the client asks for itself. For all others a task is waited for.
    pub takes_tasks: bool,
    /// The task that is made of it, as long as somebody waits for that.
    pub(super) task: Option<Weak<()>>,
}

impl Asking {
    pub fn new(method: &'static str, params: Map<String, Value>) -> Self {
        Self {
            method,
            params,
            exact: None,
            meta: Map::new(),
            client: None,
            round: None,
            takes_tasks: false,
            task: None,
        }
    }

    /// A `tools/call`.
    pub fn tool(name: &str, arguments: Map<String, Value>) -> Self {
        let mut params = Map::new();
        params.insert("name".into(), name.into());
        params.insert("arguments".into(), arguments.into());
        Self::new("tools/call", params)
    }

    pub fn on_behalf_of(mut self, client: Option<ClientHandle>) -> Self {
        self.client = client;
        self
    }

    /// For a client that is not told what the server logs.
    pub fn without_logs(mut self) -> Self {
        self.client = self.client.map(ClientHandle::without_logs);
        self
    }

    /// A round that the client goes through itself, where the server is of the newer era.
    pub fn in_round(mut self, round: Map<String, Value>) -> Self {
        self.round = Some(round);
        self
    }

    /// For a client that takes a task for a result.
    pub fn taking_tasks(mut self) -> Self {
        self.takes_tasks = true;
        self
    }

    /// With this `_meta`; what belongs to the client's own connection is left out.
    pub fn with_meta(mut self, mut meta: Map<String, Value>) -> Self {
        OUR_OWN.iter().for_each(|name| drop(meta.shift_remove(*name)));
        self.meta = meta;
        self
    }

    /// With its arguments as they were written, where the tree says a number differently.
    pub fn as_written(mut self, written: Option<&Members>) -> Self {
        self.exact = written.and_then(|written| Exact::of(self.arguments()?, written));
        self
    }

    /// Another request of the same client, on the same terms.
    pub(super) fn another(&self, method: &'static str, params: Map<String, Value>) -> Self {
        Self { method, params, exact: None, round: None, ..self.clone() }
    }

    /// What it is about: the name of a tool or prompt, a URI, else the method.
    pub fn subject(&self) -> &str {
        let about = match self.method {
            "completion/complete" => self.params.get("ref").and_then(Value::as_object),
            _ => Some(&self.params),
        };
        let named = about.and_then(|about| ["name", "uri"].iter().find_map(|key| about.get(*key)?.as_str()));
        named.unwrap_or(self.method)
    }

    /// What a tool or a prompt is given.
    pub fn arguments(&self) -> Option<&Map<String, Value>> {
        self.params.get("arguments").and_then(Value::as_object)
    }

    /// The same for people and the trail, every number with all its letters.
    pub fn shown_arguments(&self) -> Option<Cow<'_, Map<String, Value>>> {
        let exact = self.exact.as_ref().map(|exact| Cow::Owned(exact.shown()));
        exact.or_else(|| self.arguments().map(Cow::Borrowed))
    }

    /// Whether it can have effects that must not be had twice.
    pub fn is_call(&self) -> bool {
        self.method == "tools/call"
    }

    /// Whether it is about a task that a call has become (SEP-2663).
    pub fn is_of_a_task(&self) -> bool {
        self.method.starts_with("tasks/")
    }

    /// As requests of the newer era say it, each for itself.
    pub(super) fn saying_what_its_client_can(mut self) -> Self {
        let mut able = self.client.as_ref().map(|client| passed_on(&client.0.capabilities())).unwrap_or_default();
        if self.takes_tasks {
            able.insert("extensions".into(), json!({tasks::EXTENSION: {}}));
        }
        self.meta.insert(CAPABILITIES.into(), able.into());
        self
    }

    pub(super) fn into_request(self, log_level: Option<String>) -> ClientRequest {
        let Self { method, mut params, exact, mut meta, client, task, .. } = self;
        if let Some(level) = log_level {
            meta.entry(LOG_LEVEL).or_insert(level.into());
        }
        let mut request = if method == "tools/call" && params.len() == 2 {
            let name = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let arguments = match params.shift_remove("arguments") {
                Some(Value::Object(arguments)) => arguments,
                _ => Map::new(),
            };
            let params = CallToolRequestParams::new(name).with_arguments(arguments);
            ClientRequest::CallToolRequest(CallToolRequest::new(params))
        } else {
            // Typed where rmcp knows it, because it makes headers of some; as it is otherwise. A task of the older era it does not know, nor
            // that tasks can be listened to.
            let wire = json!({"method": method, "params": params});
            let typed =
                if params.contains_key("task") || method == LISTEN { None } else { serde_json::from_value(wire).ok() };
            typed.unwrap_or_else(|| ClientRequest::CustomRequest(CustomRequest::new(method, Some(params.into()))))
        };
        let extensions = request.extensions_mut();
        if !meta.is_empty() {
            extensions.insert(RequestMetaObject(rmcp::model::MetaObject(meta)));
        }
        if let Some(exact) = exact {
            extensions.insert(exact);
        }
        if let Some(client) = client {
            extensions.insert(OnBehalf { client, task });
        }
        request
    }
}

/// What a server of the newer era says when it needs input before it can answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputRequired {
    #[serde(default)]
    input_requests: Map<String, Value>,
    #[serde(default)]
    request_state: Option<String>,
}

impl Connection {
    /// One request; its `result` as the server wrote it. Where the server wants input first, the client is asked for it, and the
    /// request made again with that. Where it makes a task of the request, that is waited for, unless the client does so itself.
    pub(super) async fn ask(&self, asking: Asking, deadline: Instant) -> Result<Box<RawValue>, UpstreamError> {
        if matches!(asking.method, "resources/subscribe" | "resources/unsubscribe") {
            return Box::pin(self.watch(asking, deadline)).await;
        }
        if !self.is_stateless() {
            // What few calls need is kept apart, so that all others stay small.
            return if asking.is_call()
                && self.line.tap.takes_tasks()
                && Box::pin(self.must_be_a_task(asking.subject(), deadline)).await
            {
                Box::pin(self.call_as_task(asking, deadline)).await
            } else {
                self.ask_once(asking, None, deadline).await
            };
        }
        let asking = asking.saying_what_its_client_can();
        match self.ask_in_rounds(&asking, deadline).await {
            Err(error) if !asking.takes_tasks && tasks::is_wanted(&error) => {
                Box::pin(self.call_taking_a_task(asking, deadline)).await
            }
            outcome => outcome,
        }
    }

    /// A request of the newer era, with its questions. The client goes through them itself where it said so.
    pub(super) async fn ask_in_rounds(
        &self,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let level = self.audience().log_level();
        let mut next = asking.clone();
        if let Some(round) = next.round.take() {
            next.params.extend(round);
            return self.ask_once(next, level, deadline).await;
        }
        for _ in 0..MAX_ROUNDS {
            let result = self.ask_once(next, level.clone(), deadline).await?;
            let Some(required) = input_required(&result) else { return Ok(result) };
            next = asking.clone();
            let answers = self.answers(asking, required.input_requests, deadline).await?;
            if !answers.is_empty() {
                next.params.insert("inputResponses".into(), answers.into());
            }
            if let Some(state) = required.request_state {
                next.params.insert("requestState".into(), state.into());
            }
        }
        Err(self.unanswered(asking.method, format!("it asked for input {MAX_ROUNDS} times without an end")))
    }

    pub(super) fn ask_once(
        &self,
        asking: Asking,
        log_level: Option<String>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Box<RawValue>, UpstreamError>> {
        let call = (asking.method, asking.subject().to_owned());
        self.send(asking, log_level, call, deadline)
    }

    /// `call`: method and subject of what fails where this does.
    pub(super) async fn send(
        &self,
        asking: Asking,
        log_level: Option<String>,
        (method, subject): (&'static str, String),
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let begun = Instant::now();
        let answered = if self.can_be_a_task(&asking) {
            Box::pin(self.make(asking, log_level, deadline)).await
        } else {
            self.line.request(asking.into_request(log_level), deadline).await
        };
        match answered {
            Ok((result, _)) if !result.get().starts_with('{') => Err(self.bad_answer(method, result.get())),
            Ok((result, _)) => Ok(result),
            Err(Failure::DeadlinePassed) => Err(self.call_timeout(subject, begun.elapsed())),
            Err(failure) => Err(self.explain(failure, method).await),
        }
    }

    /// The client's answers to all questions of one round.
    pub(super) async fn answers(
        &self,
        asking: &Asking,
        questions: Map<String, Value>,
        deadline: Instant,
    ) -> Result<Map<String, Value>, UpstreamError> {
        let ask = questions.into_iter().map(|(key, question)| async move {
            let method = question["method"].as_str().unwrap_or_default().to_owned();
            let params = question.get("params").and_then(|params| serde_json::value::to_raw_value(params).ok());
            let unable = || ClientError::Unable { method: method.clone() };
            let client = asking.client.as_ref().ok_or_else(unable);
            let answer = match client {
                Ok(client) => timeout_at(deadline, client.0.request(&method, params))
                    .await
                    .unwrap_or_else(|_| Err(ClientError::Gone)),
                Err(error) => Err(error),
            };
            let answer = answer.map_err(|error| self.unanswered(asking.method, error.to_string()))?;
            let answer: Value = serde_json::from_str(answer.get()).unwrap_or_default();
            Ok((key, answer))
        });
        futures::future::try_join_all(ask).await.map(Map::from_iter)
    }

    /// Of the newer era: nothing was agreed on at the beginning, and each request says everything.
    pub(super) fn is_stateless(&self) -> bool {
        self.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
    }
}

/// Looks at the first letters of a result only as deep as it must: most are answers.
fn input_required(result: &RawValue) -> Option<InputRequired> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "resultType", default)]
        kind: Option<String>,
    }
    let kind: Kind = serde_json::from_str(result.get()).ok()?;
    (kind.kind.as_deref() == Some("input_required")).then(|| serde_json::from_str(result.get()).ok())?
}
