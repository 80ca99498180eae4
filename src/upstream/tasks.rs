//! Calls of which a server makes a task, for callers that wait for the result.
//!
//! In 2025-11-25 the caller makes a task of a call, and some tools must be called so (`execution.taskSupport: "required"`). Since
//! 2026-07-28 the server does (the extension `io.modelcontextprotocol/tasks`, SEP-2663), where the caller says that it takes tasks. A
//! caller that does not is kept from none of these tools: the task is waited for here. Nothing is made a task that need not be one: a
//! task costs further requests.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::ServerResult;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::UpstreamError;
use super::asking::Asking;
use super::connection::Connection;
use super::request::{Failure, Line};

/// The extension's name among capabilities.
pub(super) const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// `MissingRequiredClientCapability` of 2026-07-28.
const MISSING_CAPABILITY: i32 = -32021;
/// Between two looks at a task, where its server suggests nothing: what the extension's own servers suggest.
const POLL: Duration = Duration::from_secs(1);
/// A suggestion is followed between these: neither a busy loop nor a result that lies about for minutes.
const POLLS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(30));
/// What a task may be kept beyond the deadline of who waits for it: its result is fetched at once.
const BEYOND: Duration = Duration::from_secs(60);
/// The time in which a server hears that a task is given up.
const GIVING_UP: Duration = Duration::from_secs(5);

/// The time in which an answer that nobody waits for may name a task. Without tasks the server would hear at once that the call is given up.
const A_MOMENT: Duration = Duration::from_secs(1);

/// What `tasks/get` says, and the beginning of a task.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    #[serde(default)]
    status: String,
    #[serde(default)]
    poll_interval_ms: Option<f64>,
    #[serde(default)]
    input_requests: Map<String, Value>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    code: i32,
    message: String,
    data: Option<Value>,
}

impl State<'_> {
    fn poll(&self) -> Duration {
        let suggested = self.poll_interval_ms.filter(|ms| ms.is_finite() && *ms >= 0.0);
        let whole = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(POLLS.1);
        suggested.map_or(POLL, |ms| whole(ms).clamp(POLLS.0, POLLS.1))
    }
}

/// A task at its server. Dropped while it is not seen to have ended, it is cancelled there.
struct Task {
    id: String,
    line: Line,
    asking: Asking,
    ended: bool,
}

impl Task {
    /// A request about the task, of the same client as the call that it came of.
    fn request(&self, method: &'static str, more: Map<String, Value>) -> Asking {
        let mut params = more;
        params.insert("taskId".into(), self.id.as_str().into());
        self.asking.another(method, params)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (line, cancel) = (self.line.clone(), self.request("tasks/cancel", Map::new()).into_request(None));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A server that is gone, or has ended the task meanwhile, need not hear of it.
            runtime.spawn(async move { drop(line.request(cancel, Instant::now() + GIVING_UP).await) });
        }
    }
}

/// The answer to a request, as the connection gives it.
type Answered = Result<(Box<RawValue>, ServerResult), Failure>;

/// A call that may be answered by a task. Dropped meanwhile, its answer is waited for a moment: the task that it names is nobody's, and
/// the server could not be told which one is given up before.
struct Making {
    /// Under way until its answer is there.
    request: Option<BoxFuture<'static, Answered>>,
    line: Line,
    asking: Asking,
}

impl Making {
    async fn answered(&mut self) -> Answered {
        let Some(request) = &mut self.request else { return Err(Failure::Closed) };
        let answered = request.await;
        self.request = None;
        answered
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let (Some(request), Ok(runtime)) = (self.request.take(), tokio::runtime::Handle::try_current()) else { return };
        let (line, asking) = (self.line.clone(), self.asking.clone());
        runtime.spawn(async move {
            if let Ok(Ok((made, _))) = timeout(A_MOMENT, request).await
                && let Some(id) = created(&made)
            {
                drop(Task { id, line, asking, ended: false });
            }
        });
    }
}

/// Whether a server of the newer era refused a call because the tool is only for callers that take tasks: nothing was done.
pub(super) fn is_wanted(error: &UpstreamError) -> bool {
    let UpstreamError::Protocol { error_code: MISSING_CAPABILITY, data: Some(data), .. } = error else { return false };
    data.pointer("/requiredCapabilities/extensions").is_some_and(|wanted| wanted.get(EXTENSION).is_some())
}

impl Connection {
    /// Whether a tool of the older era, whose server takes tasks, is only for callers that make one of the call.
    pub(super) async fn must_be_a_task(&self, tool: &str, deadline: Instant) -> bool {
        let tools = self.tools(deadline.saturating_duration_since(Instant::now())).await;
        let required = |raw: &Value| raw.pointer("/execution/taskSupport").is_some_and(|it| it == "required");
        tools.is_ok_and(|list| list.tools.iter().any(|it| it.name == tool && required(&it.raw)))
    }

    /// Whether a request can be answered by a task.
    pub(super) fn can_be_a_task(&self, asking: &Asking) -> bool {
        let takes = || self.line.peer.peer_info().is_some_and(|server| server.capabilities.supports_tasks());
        asking.is_call() && (asking.params.contains_key("task") || asking.takes_tasks && takes())
    }

    /// Sends a call that can be answered by a task.
    pub(super) async fn make(&self, asking: Asking, log_level: Option<String>, deadline: Instant) -> Answered {
        let (line, sent) = (self.line.clone(), asking.clone().into_request(log_level));
        let request = async move { line.request(sent, deadline).await }.boxed();
        Making { request: Some(request), line: self.line.clone(), asking }.answered().await
    }

    /// A call of the older era as a task, to its end: `tasks/result` waits there, and the server's questions come meanwhile.
    pub(super) async fn call_as_task(&self, asking: Asking, deadline: Instant) -> Result<Box<RawValue>, UpstreamError> {
        // Until this ends, what the server says of the call's progress is of its task.
        let waiting = Arc::new(());
        let mut first = asking.clone();
        first.task = Some(Arc::downgrade(&waiting));
        let ttl = deadline.saturating_duration_since(Instant::now()) + BEYOND;
        first.params.insert("task".into(), json!({"ttl": u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)}));
        let made = self.ask_once(first, None, deadline).await?;
        let Some(id) = created(&made) else { return Ok(made) };
        let mut task = Task { id, line: self.line.clone(), asking, ended: false };
        let outcome = self.about(&task, "tasks/result", Map::new(), deadline).await;
        task.ended = matches!(outcome, Ok(_) | Err(UpstreamError::Protocol { .. }));
        drop(waiting);
        outcome
    }

    /// A call of the newer era that is to be answered by a task where the server wants that, to the task's end.
    pub(super) async fn call_taking_a_task(
        &self,
        asking: Asking,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let asking = asking.taking_tasks().saying_what_its_client_can();
        let made = self.ask_in_rounds(&asking, deadline).await?;
        let Some(id) = created(&made) else { return Ok(made) };
        let mut poll = serde_json::from_str::<State>(made.get()).map_or(POLL, |state| state.poll());
        let mut task = Task { id, line: self.line.clone(), asking, ended: false };
        let mut answered = HashSet::new();
        loop {
            sleep_until((Instant::now() + poll).min(deadline)).await;
            let now = self.about(&task, "tasks/get", Map::new(), deadline).await?;
            let state: State = serde_json::from_str(now.get()).map_err(|_| self.bad_answer("tasks/get", now.get()))?;
            poll = state.poll();
            match (state.status.as_str(), state.result, state.error) {
                ("completed", Some(result), _) => {
                    task.ended = true;
                    return Ok(result.to_owned());
                }
                ("failed", _, Some(Failed { code, message, data })) => {
                    task.ended = true;
                    let (server, method) = (self.server.clone(), task.asking.method.to_owned());
                    return Err(UpstreamError::Protocol {
                        server,
                        method,
                        error_code: code,
                        message,
                        data: data.map(Box::new),
                    });
                }
                ("cancelled", ..) => {
                    task.ended = true;
                    return cancelled().ok_or_else(|| self.bad_answer("tasks/get", now.get()));
                }
                ("working", ..) => {}
                ("input_required", ..) => {
                    let questions = state.input_requests.into_iter();
                    let questions: Map<_, _> = questions.filter(|(key, _)| answered.insert(key.clone())).collect();
                    if !questions.is_empty() {
                        let answers = self.answers(&task.asking, questions, deadline).await?;
                        let answers = Map::from_iter([("inputResponses".to_owned(), answers.into())]);
                        self.about(&task, "tasks/update", answers, deadline).await?;
                    }
                }
                _ => return Err(self.bad_answer("tasks/get", now.get())),
            }
        }
    }

    /// A request about a task. Where it fails, the call has: it may have been made, and is not to be repeated.
    async fn about(
        &self,
        task: &Task,
        method: &'static str,
        more: Map<String, Value>,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let call = (task.asking.method, task.asking.subject().to_owned());
        self.send(task.request(method, more), None, call, deadline).await
    }
}

/// The id of the task that a server has made of a call, if it has.
fn created(result: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Made {
        result_type: Option<String>,
        task_id: Option<String>,
        /// Of the older era.
        task: Option<Older>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Older {
        task_id: String,
    }
    let made: Made = serde_json::from_str(result.get()).ok()?;
    let newer = made.task_id.filter(|_| made.result_type.as_deref() == Some("task"));
    newer.or(made.task.map(|task| task.task_id))
}

/// The result of a call whose task was ended by the server or at its side: the caller did not want that.
fn cancelled() -> Option<Box<RawValue>> {
    let text = "the server cancelled the task that it had made of this call";
    to_raw_value(&json!({"content": [{"type": "text", "text": text}], "isError": true})).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_for_want_of_tasks_is_taken_for_one() {
        let refused = |error_code, data| {
            is_wanted(&UpstreamError::Protocol {
                server: "s".into(),
                method: "tools/call".into(),
                error_code,
                message: String::new(),
                data: Some(Box::new(data)),
            })
        };
        let wanted = json!({"requiredCapabilities": {"extensions": {EXTENSION: {}}}});
        assert!(refused(MISSING_CAPABILITY, wanted.clone()));
        assert!(!refused(-32601, wanted));
        assert!(!refused(MISSING_CAPABILITY, json!({"requiredCapabilities": {"elicitation": {}}})));
    }

    #[test]
    fn a_suggested_interval_is_followed_within_bounds() {
        let poll = |state: &str| serde_json::from_str::<State>(state).expect("a state").poll();
        assert_eq!(poll("{}"), POLL);
        assert_eq!(poll(r#"{"pollIntervalMs": 250}"#), Duration::from_millis(250));
        assert_eq!(poll(r#"{"pollIntervalMs": 0}"#), POLLS.0);
        assert_eq!(poll(r#"{"pollIntervalMs": 1e300}"#), POLLS.1);
        assert_eq!(poll(r#"{"pollIntervalMs": -5}"#), POLL);
    }
}
