//! Runs that became tasks: what `tasks/get` and `tasks/cancel` know, of one connection.
//!
//! The extension `io.modelcontextprotocol/tasks` as rmcp speaks it. How many run is bounded where runs are admitted; here,
//! what is left of those that ended is: by time, by number and by bytes.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{DetailedTask, JsonObject, Task, TaskPayload, TaskStatus};
use rmcp::task_manager::current_timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::{Forgotten, ServerError, shown};
use super::input::Input;
use super::passed::PassedOn;
use crate::execution::Live;
use crate::output::human_bytes;

/// How long a result is kept: a client that was busy with something else for minutes still finds it.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(600);
/// Results kept at most: more than a client's whole conversation has in that time.
const MOST_RESULTS: usize = 64;
/// Bytes kept at most, output included: each of those results, at the default limits, in full.
const MOST_BYTES: usize = 64 << 20;
/// What a run may take beyond its own deadline: waiting for a place and a slow start.
const BEFORE_START: Duration = Duration::from_secs(60);
/// Suggested time between two polls: soon enough for a person, and nothing for the machine.
const POLL: Duration = Duration::from_secs(1);
/// Ids of forgotten tasks that can still be told from ids that never were.
const REMEMBERED: usize = 1000;
/// Bytes of a task's output that are kept for its pages: twice what a report keeps of a stream by default.
pub(super) const ROOM: usize = 256 << 10;

/// The tasks of one connection.
#[derive(Default)]
pub struct Tasks {
    state: Mutex<State>,
    /// Those of servers.
    pub(super) passed: PassedOn,
    pub(super) running: TaskTracker,
}

#[derive(Default)]
struct State {
    tasks: HashMap<String, Entry>,
    /// Those that ended, the oldest first.
    ended: VecDeque<String>,
    /// What those that ended take.
    bytes: usize,
    forgotten: VecDeque<(String, Forgotten)>,
}

struct Entry {
    created: Instant,
    created_at: String,
    updated_at: String,
    /// How long after its creation it will still be there, unless it is crowded out.
    kept: Duration,
    live: Arc<Live>,
    input: Arc<Input>,
    cancel: CancellationToken,
    end: Option<(Ended, usize)>,
}

/// How a task ended.
pub(super) enum Ended {
    /// With the result of the call, whether or not it says `isError`.
    Completed(JsonObject),
    Cancelled,
}

/// A run on its way to be a task.
pub(super) struct Run<F> {
    pub end: F,
    pub live: Arc<Live>,
    /// What it asks as a task.
    pub input: Arc<Input>,
    /// Ends the run.
    pub cancel: CancellationToken,
    /// The run's own deadline.
    pub timeout: Duration,
}

impl Tasks {
    /// Lets the run go on as a task. It can be asked for when this returns.
    pub(super) fn adopt(
        self: &Arc<Self>,
        run: Run<impl Future<Output = Ended> + Send + 'static>,
        closing: CancellationToken,
    ) -> Task {
        // 122 random bits from the system: no other client guesses one.
        let id = uuid::Uuid::new_v4().to_string();
        let now = current_timestamp();
        let entry = Entry {
            created: Instant::now(),
            created_at: now.clone(),
            updated_at: now,
            kept: BEFORE_START + run.timeout + KEPT_FOR,
            live: run.live,
            input: run.input,
            cancel: run.cancel,
            end: None,
        };
        let task = entry.task(&id);
        entry.input.open();
        self.state().tasks.insert(id.clone(), entry);
        let tasks = Arc::clone(self);
        self.running.spawn(async move {
            let ended = run.end.await;
            tasks.state().end(&id, ended);
            if closing.run_until_cancelled(tokio::time::sleep(KEPT_FOR)).await.is_some() {
                tasks.state().forget(&id, Forgotten::Expired);
            }
        });
        task
    }

    /// The task as it is now.
    ///
    /// # Errors
    /// There is none with this id, or it was forgotten.
    pub(super) fn get(&self, id: &str) -> Result<DetailedTask, ServerError> {
        let state = self.state();
        let entry = state.find(id)?;
        Ok(DetailedTask::new(entry.task(id), entry.payload()))
    }

    /// What the task wants to know of its client.
    ///
    /// # Errors
    /// As [`Tasks::get`].
    pub(super) fn input(&self, id: &str) -> Result<Arc<Input>, ServerError> {
        Ok(Arc::clone(&self.state().find(id)?.input))
    }

    /// Ends the task's run; one that has ended stays as it is.
    ///
    /// # Errors
    /// As [`Tasks::get`].
    pub(super) fn cancel(&self, id: &str) -> Result<(), ServerError> {
        self.state().find(id)?.cancel.cancel();
        Ok(())
    }

    /// What the task's program wrote, and whether that was all.
    ///
    /// # Errors
    /// As [`Tasks::get`].
    pub(super) fn output(&self, id: &str) -> Result<(Arc<Live>, bool), ServerError> {
        let state = self.state();
        let entry = state.find(id)?;
        Ok((Arc::clone(&entry.live), entry.end.is_some()))
    }

    /// Waits until no run is left; `closing` must have been cancelled.
    pub(super) async fn settled(&self) {
        self.running.close();
        self.running.wait().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, id: &str) -> Result<&Entry, ServerError> {
        self.tasks.get(id).ok_or_else(|| match self.forgotten.iter().find(|(known, _)| known == id) {
            Some((_, why)) => ServerError::ForgottenTask { id: shown(id), why: *why },
            None => ServerError::UnknownTask { id: shown(id) },
        })
    }

    fn end(&mut self, id: &str, ended: Ended) {
        let Some(entry) = self.tasks.get_mut(id) else { return };
        let bytes = ended.bytes() + entry.live.total().min(ROOM as u64) as usize;
        entry.updated_at = current_timestamp();
        entry.kept = entry.created.elapsed() + KEPT_FOR;
        entry.end = Some((ended, bytes));
        self.bytes += bytes;
        self.ended.push_back(id.to_owned());
        // The newest stays, however large it is: somebody waits for it.
        while self.ended.len() > 1 && (self.ended.len() > MOST_RESULTS || self.bytes > MOST_BYTES) {
            let Some(oldest) = self.ended.front().cloned() else { return };
            self.forget(&oldest, Forgotten::Crowded { results: MOST_RESULTS, bytes: MOST_BYTES });
        }
    }

    fn forget(&mut self, id: &str, why: Forgotten) {
        let Some(entry) = self.tasks.remove(id) else { return };
        self.bytes -= entry.end.map_or(0, |(_, bytes)| bytes);
        self.ended.retain(|ended| ended != id);
        self.forgotten.push_back((id.to_owned(), why));
        if self.forgotten.len() > REMEMBERED {
            self.forgotten.pop_front();
        }
    }
}

impl Entry {
    /// Without its payload, from which the status comes when it has ended.
    fn task(&self, id: &str) -> Task {
        let updated_at =
            self.input.changed_at().filter(|_| self.end.is_none()).unwrap_or_else(|| self.updated_at.clone());
        let mut task = Task::new(id, TaskStatus::Working, &self.created_at, updated_at);
        // A run that waited long for its place is kept longer than was thought.
        let kept = if self.end.is_none() { self.kept.max(self.created.elapsed() + KEPT_FOR) } else { self.kept };
        task.ttl_ms = Some(millis(kept));
        task.poll_interval_ms = Some(millis(POLL));
        task.with_status_message(self.words(id))
    }

    fn payload(&self) -> TaskPayload {
        match &self.end {
            None => TaskPayload::Working,
            Some((Ended::Completed(result), _)) => TaskPayload::Completed { result: result.clone() },
            Some((Ended::Cancelled, _)) => TaskPayload::Cancelled,
        }
    }

    /// One line for a person or a model: how far it is, and where its output can be read.
    fn words(&self, id: &str) -> String {
        let (calls, _) = self.live.calls();
        let so_far = if self.end.is_none() { " so far" } else { "" };
        let written = human_bytes(self.live.total());
        format!("{calls} tool calls and {written} of output{so_far}; {}", super::pages::uri(id, 0))
    }
}

impl Ended {
    fn bytes(&self) -> usize {
        match self {
            Self::Completed(result) => serde_json::to_string(result).map_or(0, |text| text.len()),
            Self::Cancelled => 0,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// A task whose run ends when told, and what tells it.
    fn adopted(tasks: &Arc<Tasks>, closing: &CancellationToken) -> (Task, oneshot::Sender<Ended>) {
        let (tell, told) = oneshot::channel();
        let end = async { told.await.unwrap_or(Ended::Cancelled) };
        let run = Run {
            end,
            live: Arc::new(Live::new(ROOM)),
            input: Arc::default(),
            cancel: closing.child_token(),
            timeout: Duration::from_secs(5),
        };
        (tasks.adopt(run, closing.clone()), tell)
    }

    fn result(bytes: usize) -> Ended {
        let mut object = JsonObject::new();
        object.insert("text".into(), "x".repeat(bytes).into());
        Ended::Completed(object)
    }

    /// Waits until the task has ended: every other future of the test's one thread runs first.
    async fn ended(tasks: &Arc<Tasks>, id: &str) -> DetailedTask {
        loop {
            let task = tasks.get(id).expect("the task");
            if task.status().is_terminal() {
                return task;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_kept_as_long_as_was_said_and_then_forgotten_truthfully() {
        let (tasks, closing) = (Arc::new(Tasks::default()), CancellationToken::new());
        let (task, tell) = adopted(&tasks, &closing);
        assert_eq!(tasks.get(&task.task_id).unwrap().status(), TaskStatus::Working);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(tell.send(result(1)).is_ok());
        let done = ended(&tasks, &task.task_id).await;
        assert_eq!(done.status(), TaskStatus::Completed);
        let ttl = Duration::from_millis(done.task.ttl_ms.unwrap());
        assert_eq!(ttl, Duration::from_secs(3) + KEPT_FOR);
        tokio::time::sleep(KEPT_FOR - Duration::from_secs(1)).await;
        assert!(tasks.get(&task.task_id).is_ok());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let error = tasks.get(&task.task_id).unwrap_err();
        assert_eq!(error, ServerError::ForgottenTask { id: task.task_id.clone(), why: Forgotten::Expired });
        assert_eq!(error.code(), "server.task_forgotten");
        assert_eq!(tasks.state().bytes, 0);
        assert!(matches!(tasks.cancel("nobody's"), Err(ServerError::UnknownTask { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_waits_long_for_its_place_is_not_said_to_be_gone() {
        let (tasks, closing) = (Arc::new(Tasks::default()), CancellationToken::new());
        let (task, _tell) = adopted(&tasks, &closing);
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        let now = tasks.get(&task.task_id).unwrap();
        assert_eq!(now.status(), TaskStatus::Working);
        assert!(now.task.ttl_ms.unwrap() >= 86_400_000);
    }

    #[tokio::test]
    async fn the_oldest_results_go_when_there_are_too_many_or_they_are_too_large() {
        for (count, bytes) in [(MOST_RESULTS, 1), (3, MOST_BYTES / 3)] {
            let (tasks, closing) = (Arc::new(Tasks::default()), CancellationToken::new());
            let mut ids = Vec::new();
            for _ in 0..=count {
                let (task, tell) = adopted(&tasks, &closing);
                assert!(tell.send(result(bytes)).is_ok());
                ended(&tasks, &task.task_id).await;
                ids.push(task.task_id);
            }
            let error = tasks.get(&ids[0]).unwrap_err();
            assert!(matches!(error, ServerError::ForgottenTask { why: Forgotten::Crowded { .. }, .. }), "{error:?}");
            assert!(tasks.get(&ids[count]).is_ok());
            assert!(tasks.state().bytes <= MOST_BYTES && tasks.state().ended.len() <= MOST_RESULTS);
        }
    }

    #[tokio::test]
    async fn one_result_that_is_larger_than_all_may_be_is_kept_alone() {
        let (tasks, closing) = (Arc::new(Tasks::default()), CancellationToken::new());
        let (small, tell) = adopted(&tasks, &closing);
        assert!(tell.send(result(1)).is_ok());
        ended(&tasks, &small.task_id).await;
        let (large, tell) = adopted(&tasks, &closing);
        assert!(tell.send(result(MOST_BYTES + 1)).is_ok());
        ended(&tasks, &large.task_id).await;
        assert!(tasks.get(&small.task_id).is_err() && tasks.get(&large.task_id).is_ok());
    }

    #[tokio::test]
    async fn a_cancel_reaches_the_run_and_the_end_of_the_connection_every_run() {
        let (tasks, closing) = (Arc::new(Tasks::default()), CancellationToken::new());
        let mut runs = Vec::new();
        for _ in 0..2 {
            let cancel = closing.child_token();
            let end = {
                let cancel = cancel.clone();
                async move {
                    cancel.cancelled().await;
                    Ended::Cancelled
                }
            };
            let run = Run { end, live: Arc::new(Live::new(1)), input: Arc::default(), cancel, timeout: Duration::ZERO };
            runs.push(tasks.adopt(run, closing.clone()).task_id);
        }
        assert_ne!(runs[0], runs[1]);
        tasks.cancel(&runs[0]).unwrap();
        assert_eq!(ended(&tasks, &runs[0]).await.status(), TaskStatus::Cancelled);
        assert_eq!(tasks.get(&runs[1]).unwrap().status(), TaskStatus::Working);
        closing.cancel();
        tasks.settled().await;
        assert_eq!(tasks.get(&runs[1]).unwrap().status(), TaskStatus::Cancelled);
    }
}
