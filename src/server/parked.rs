//! Work that waits for answers of a client of the newer era: between its answer `input_required` and the client's next call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::converse::{Outcome, Work};
use super::error::ServerError;
use super::line::Question;
use crate::execution::{Caller, Live};
use crate::upstream::ClientError;

/// How long answers are waited for. Runs have deadlines of their own, most of them shorter; a person who is asked by a direct call may
/// have to look something up.
pub(super) const WAITS: Duration = Duration::from_secs(600);
/// Parked at the same time, of all clients: more questions than people answer, and a bound on memory.
const MOST: usize = 256;
/// Of one caller: others can still be asked when it leaves all of its own open.
const OF_ONE: usize = MOST / 4;

/// What is parked, of every client of a bridge: a client may come back over another connection.
#[derive(Default)]
pub struct Parked(Mutex<HashMap<String, Entry>>);

pub(super) struct Entry {
    caller: Caller,
    /// Method and name of the request: only the same one is gone on with.
    about: String,
    pub work: Work,
    questions: Vec<Question>,
    /// What a run shows, for progress when it goes on.
    pub live: Option<Arc<Live>>,
}

impl Entry {
    pub fn new(caller: Caller, about: String, work: Work, questions: Vec<Question>, live: Option<Arc<Live>>) -> Self {
        Self { caller, about, work, questions, live }
    }
}

impl Parked {
    /// Parks work, and gives the result that asks the client. The work goes on as far as it can.
    pub(super) fn park(self: &Arc<Self>, mut entry: Entry) -> Outcome {
        // 122 random bits from the system: no other client guesses one.
        let state = uuid::Uuid::new_v4().to_string();
        let keyed = entry.questions.iter().enumerate().map(|(at, question)| (key(at), question.wire()));
        let questions: Map<String, Value> = keyed.collect();
        let going_on = AbortOnDropHandle::new(tokio::spawn(entry.work.outcome));
        entry.work.outcome = Box::pin(async move {
            going_on.await.unwrap_or_else(|_| Err(rmcp::ErrorData::internal_error("the call was given up", None)))
        });
        let mut parked = self.parked();
        let own = parked.values().filter(|other| other.caller == entry.caller).count();
        if let Some(most) =
            [(own, OF_ONE), (parked.len(), MOST)].iter().find_map(|(now, most)| (now >= most).then_some(*most))
        {
            return Err(ServerError::TooManyParked { most }.about_parameter());
        }
        parked.insert(state.clone(), entry);
        drop(parked);
        let (weak, id) = (Arc::downgrade(self), state.clone());
        tokio::spawn(async move {
            tokio::time::sleep(WAITS).await;
            if let Some(parked) = weak.upgrade() {
                parked.parked().remove(&id);
            }
        });
        let result = json!({"resultType": "input_required", "inputRequests": questions, "requestState": state});
        serde_json::value::to_raw_value(&result)
            .map_err(|error| rmcp::ErrorData::internal_error(error.to_string(), None))
    }

    /// Whether something is parked under this state. Of what servers ask themselves, only they know the state.
    pub(super) fn has(&self, state: &str) -> bool {
        self.parked().contains_key(state)
    }

    /// Takes up what is parked under this state, and hands it the answers. Questions that have none are asked again.
    ///
    /// # Errors
    /// There is nothing under it: it was waited for too long, is another client's, or belongs to another request.
    pub(super) fn take_up(
        self: &Arc<Self>,
        state: &str,
        caller: &Caller,
        about: &str,
        answers: &Map<String, Value>,
    ) -> Result<TakenUp, ServerError> {
        let mut parked = self.parked();
        let fits = |entry: &Entry| entry.caller == *caller && entry.about == about;
        if !parked.get(state).is_some_and(fits) {
            return Err(ServerError::NotParked { waits: WAITS.as_secs() });
        }
        let Some(mut entry) = parked.remove(state) else {
            return Err(ServerError::NotParked { waits: WAITS.as_secs() });
        };
        drop(parked);
        let mut unanswered = Vec::new();
        for (at, question) in std::mem::take(&mut entry.questions).into_iter().enumerate() {
            match answers.get(&key(at)) {
                Some(answer) => drop(question.reply.send(raw(answer))),
                None => unanswered.push(question),
            }
        }
        if unanswered.is_empty() {
            return Ok(TakenUp::GoesOn(entry));
        }
        entry.questions = unanswered;
        Ok(TakenUp::AsksAgain(entry))
    }

    fn parked(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of taking up work.
pub(super) enum TakenUp {
    GoesOn(Entry),
    AsksAgain(Entry),
}

fn key(at: usize) -> String {
    format!("question-{}", at + 1)
}

fn raw(answer: &Value) -> Result<Box<RawValue>, ClientError> {
    serde_json::value::to_raw_value(answer).map_err(|_| ClientError::Gone)
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn no_more_is_parked_than_may_be_of_one_and_of_all() {
        let parked = Arc::new(Parked::default());
        let park = |caller: &str| {
            let (outcome, cancel) = (Box::pin(std::future::pending()), CancellationToken::new());
            let work = Work { outcome, said: tokio::sync::mpsc::channel(1).1, cancel, is_direct: true };
            parked.park(Entry::new(Caller::named(caller), "tools/call x".into(), work, Vec::new(), None))
        };
        let refused = |caller| park(caller).unwrap_err().data.unwrap()["code"] == "server.too_many_waiting";
        for caller in ["ann", "bob", "cy", "di"] {
            (0..OF_ONE).for_each(|_| assert!(park(caller).is_ok()));
            assert!(refused(caller));
        }
        assert!(refused("ed"), "all places are taken");
    }
}
