//! Tasks of servers that clients ask for themselves: each under an id of ours, known to the one that made the call.
//!
//! A server's own id is not shown: two servers may give the same one, and it is the server's only word on whose the task is.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ErrorData;
use rmcp::service::RequestContext;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Bridge;
use super::converse::Outcome;
use super::error::{ServerError, about_chain, shown};
use super::line::line;
use super::pass::{failed, raw};
use super::permit::Permit;
use crate::direct::{self, Kind};
use crate::execution::Caller;
use crate::gateway::Gateway;
use crate::upstream::{Asking, through};

/// Tasks known at most, of one client: more than run at the same time anywhere. The oldest is forgotten.
const MOST: usize = 1000;
/// How long a task is known whose server says nothing of its end, or names a later one.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The time in which a server hears that the client of a task has gone.
const GIVING_UP: Duration = Duration::from_secs(2);

/// Those of one client.
#[derive(Default)]
pub(super) struct PassedOn(Mutex<State>);

#[derive(Default)]
struct State {
    tasks: HashMap<String, Arc<Passed>>,
    /// The oldest first.
    order: VecDeque<String>,
}

/// One task of a server.
pub(super) struct Passed {
    pub caller: Caller,
    pub server: String,
    /// The server's own name for the tool.
    pub tool: String,
    /// The server's own name for the task.
    id: String,
    /// Seen to have ended, or told to.
    ended: AtomicBool,
}

impl PassedOn {
    fn insert(&self, id: &str, task: Arc<Passed>) {
        let mut state = self.state();
        state.tasks.insert(id.to_owned(), task);
        state.order.push_back(id.to_owned());
        if state.order.len() > MOST
            && let Some(oldest) = state.order.pop_front()
        {
            state.tasks.remove(&oldest);
        }
    }

    fn find(&self, id: &str) -> Option<Arc<Passed>> {
        self.state().tasks.get(id).cloned()
    }

    /// The task that this server calls so, and the id under which its client knows it.
    pub(super) fn shown(&self, server: &str, own: &str) -> Option<(String, Arc<Passed>)> {
        let state = self.state();
        let mut all = state.tasks.iter();
        let (shown, task) = all.find(|(_, task)| task.id == own && task.server == server)?;
        Some((shown.clone(), Arc::clone(task)))
    }

    fn forget(&self, id: &str) {
        let mut state = self.state();
        state.tasks.remove(id);
        state.order.retain(|known| known != id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bridge {
    /// What a server answered a call of a client that takes tasks; of a task, the id becomes one of ours.
    pub(super) fn pass_task_on(
        &self,
        permit: &Permit,
        (server, tool): (String, String),
        result: Box<RawValue>,
    ) -> Outcome {
        // Nearly all results are no tasks.
        if memchr::memmem::find(result.get().as_bytes(), b"\"taskId\"").is_none() {
            return Ok(result);
        }
        let Ok(Value::Object(mut made)) = serde_json::from_str(result.get()) else { return Ok(result) };
        let Some(own) = made
            .get("taskId")
            .and_then(Value::as_str)
            .filter(|_| made.get("resultType").is_some_and(|it| it == "task"))
        else {
            return Ok(result);
        };
        let task =
            Passed { caller: permit.caller.clone(), server, tool, id: own.to_owned(), ended: AtomicBool::default() };
        let ttl = made.get("ttlMs").and_then(Value::as_u64).map_or(LONGEST, Duration::from_millis);
        // 122 random bits from the system: no other client guesses one.
        let id = uuid::Uuid::new_v4().to_string();
        made.insert("taskId".into(), id.as_str().into());
        self.keep(id, Arc::new(task), permit.shared.gateway().clone(), ttl.min(LONGEST));
        raw(&made)
    }

    /// Knows a task until its time is over. It ends with its client.
    fn keep(&self, id: String, task: Arc<Passed>, gateway: Gateway, time: Duration) {
        self.tasks.passed.insert(&id, Arc::clone(&task));
        let (tasks, closing) = (Arc::clone(&self.tasks), self.closing.clone());
        self.tasks.running.spawn(async move {
            let is_over = closing.run_until_cancelled(tokio::time::sleep(time)).await.is_some();
            tasks.passed.forget(&id);
            if !is_over && !task.ended.load(Ordering::Relaxed) {
                let cancel = task.asking("tasks/cancel", Map::new());
                // A server that is gone has no task either.
                let _ = gateway.ask(&Default::default(), &task.server, cancel, Instant::now() + GIVING_UP).await;
            }
        });
    }

    /// Has the server of a task that its client knows by this id tell how it gets on, as long as the value lives.
    pub(super) fn hear_of_task(&self, id: &str) -> Option<AbortOnDropHandle<()>> {
        let task = self.tasks.passed.find(id)?;
        self.runs.shared().gateway().upstreams().hear_of_task(&task.server, &task.id)
    }

    /// Asks a server for, or tells it about, a task that a client knows by this id; `None` where the task is none of a server's.
    pub(super) async fn ask_of_task(
        &self,
        method: &'static str,
        id: &str,
        more: Map<String, Value>,
        context: &RequestContext<RoleServer>,
    ) -> Option<Outcome> {
        let task = self.tasks.passed.find(id)?;
        // On the heap: every request of a client is handled by one function, in which this would have a place of its own.
        Some(Box::pin(self.ask_server_of_task(method, &task, id, more, context)).await)
    }

    async fn ask_server_of_task(
        &self,
        method: &'static str,
        task: &Passed,
        id: &str,
        more: Map<String, Value>,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        // As the rules are now: a tool that is not there for its caller any more has no tasks.
        let permit = self.permit(&task.caller);
        let list = self.direct.list(&permit.shared, &permit.view, Kind::Tools).await;
        let listed = list.entries().find(|entry| entry.server == task.server && entry.own == task.tool);
        let ruled = listed.map_or_else(
            || permit.view.decide(&task.server, &task.tool, None),
            |entry| direct::ruled(&permit.view, Kind::Tools, entry),
        );
        if ruled.is_denied() || !permit.view.shows_server(&task.server) {
            return Err(ServerError::UnknownTask { id: shown(id) }.about_parameter());
        }
        let chain = self.chain_of(context).map_err(|error| about_chain(&error))?;
        // Nothing is told or asked beside: what the task wants to know is in the answer.
        let (client, _) = line(self, context);
        let asking = task.asking(method, more).with_meta(context.meta.0.0.clone()).on_behalf_of(Some(client));
        let (deadline, granted) =
            (Instant::now() + self.patience(&permit.shared, &task.server), permit.granted(&ruled));
        let asked = through(chain, permit.shared.gateway().ask(&granted, &task.server, asking, deadline)).await;
        let answer = asked.map_err(|error| failed(&error))?.result;
        let mut answer: Value = serde_json::from_str(answer.get())
            .map_err(|error| ErrorData::internal_error(format!("the server's answer cannot be read: {error}"), None))?;
        if method == "tasks/cancel" {
            task.ended.store(true, Ordering::Relaxed);
        }
        task.is_in(answer["status"].as_str().unwrap_or_default());
        if answer.get("taskId").is_some() {
            answer["taskId"] = id.into();
        }
        raw(&answer)
    }
}

impl Passed {
    /// What its server says of it.
    pub fn is_said(&self, said: &RawValue) {
        #[derive(Deserialize)]
        struct Said {
            status: String,
        }
        if let Ok(Said { status }) = serde_json::from_str(said.get()) {
            self.is_in(&status);
        }
    }

    fn is_in(&self, status: &str) {
        if matches!(status, "completed" | "failed" | "cancelled") {
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    fn asking(&self, method: &'static str, more: Map<String, Value>) -> Asking {
        let mut params = more;
        params.insert("taskId".into(), self.id.as_str().into());
        Asking::new(method, params).taking_tasks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_where_there_are_too_many() {
        let (passed, names) = (PassedOn::default(), |at: usize| format!("task-{at}"));
        let task = || Passed {
            caller: Caller::stdio(),
            server: "s".into(),
            tool: "t".into(),
            id: "1".into(),
            ended: AtomicBool::default(),
        };
        (0..=MOST).for_each(|at| passed.insert(&names(at), Arc::new(task())));
        assert!(passed.find(&names(0)).is_none() && passed.find(&names(1)).is_some());
        passed.forget(&names(1));
        assert_eq!(passed.state().order.len(), MOST - 1);
    }
}
