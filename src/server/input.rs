//! What a run that became a task wants to know of its client: shown by `tasks/get`, answered by `tasks/update` (SEP-2663).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::task_manager::current_timestamp;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::line::Question;
use crate::upstream::ClientError;

/// The questions of one run, from when it is a task.
#[derive(Default)]
pub(super) struct Input(Mutex<State>);

#[derive(Default)]
struct State {
    is_open: bool,
    /// Questions so far: the extension wants keys that never come again.
    count: u64,
    waiting: Vec<(String, Question)>,
    changed_at: Option<String>,
}

impl Input {
    /// From now on questions are put here.
    pub fn open(&self) {
        self.state().is_open = true;
    }

    pub fn is_open(&self) -> bool {
        self.state().is_open
    }

    /// Puts a question, and waits for its answer; dropped, the question is withdrawn.
    pub async fn ask(&self, method: String, params: Option<Box<RawValue>>) -> Result<Box<RawValue>, ClientError> {
        let (reply, answer) = oneshot::channel();
        let key = {
            let mut state = self.state();
            state.count += 1;
            let key = format!("question-{}", state.count);
            state.waiting.push((key.clone(), Question { method, params, reply }));
            state.changed_at = Some(current_timestamp());
            key
        };
        let _withdrawn = Waits { input: self, key };
        answer.await.unwrap_or(Err(ClientError::Gone))
    }

    /// The questions that wait, as `inputRequests`; `None` where there are none.
    pub fn requests(&self) -> Option<Map<String, Value>> {
        let state = self.state();
        let requests = state.waiting.iter().map(|(key, question)| (key.clone(), question.wire()));
        Some(requests.collect()).filter(|requests: &Map<_, _>| !requests.is_empty())
    }

    /// When a question came or went last.
    pub fn changed_at(&self) -> Option<String> {
        self.state().changed_at.clone()
    }

    /// Hands answers to who waits for them. Those to what is not asked, or not any more, are ignored, as the extension wants.
    pub fn answer(&self, answers: &BTreeMap<String, Value>) {
        for (key, answer) in answers {
            if let Some(question) = self.state().take(key) {
                let _ = question.reply.send(to_raw_value(answer).map_err(|_| ClientError::Gone));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, key: &str) -> Option<Question> {
        let at = self.waiting.iter().position(|(waiting, _)| waiting == key)?;
        self.changed_at = Some(current_timestamp());
        Some(self.waiting.remove(at).1)
    }
}

/// A question that waits, until the value is dropped.
struct Waits<'a> {
    input: &'a Input,
    key: String,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.input.state().take(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn asked(input: &Arc<Input>, method: &str) -> tokio::task::JoinHandle<Result<Box<RawValue>, ClientError>> {
        let (input, method) = (Arc::clone(input), method.to_owned());
        tokio::spawn(async move { input.ask(method, None).await })
    }

    fn keys(input: &Input) -> Vec<String> {
        input.requests().into_iter().flatten().map(|(key, _)| key).collect()
    }

    #[tokio::test]
    async fn questions_are_answered_once_in_any_order_and_no_key_comes_again() {
        let input = Arc::new(Input::default());
        let (first, second) = (asked(&input, "elicitation/create"), asked(&input, "roots/list"));
        tokio::task::yield_now().await;
        assert_eq!(keys(&input), ["question-1", "question-2"]);
        input.answer(&BTreeMap::from([("question-2".into(), json!(2)), ("question-9".into(), json!(9))]));
        assert_eq!(second.await.unwrap().unwrap().get(), "2");
        assert_eq!(keys(&input), ["question-1"]);
        input.answer(&BTreeMap::from([("question-1".into(), json!(1)), ("question-2".into(), json!(0))]));
        assert_eq!(first.await.unwrap().unwrap().get(), "1");
        assert_eq!(input.requests(), None);
        let third = asked(&input, "roots/list");
        tokio::task::yield_now().await;
        assert_eq!(keys(&input), ["question-3"]);
        // Who does not wait any more has no question.
        third.abort();
        assert!(third.await.is_err());
        assert_eq!(input.requests(), None);
    }
}
