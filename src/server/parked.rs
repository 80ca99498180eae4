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
use super::pass;
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
    /// Those that are still to be answered, each under its key.
    questions: Vec<(String, Question)>,
    /// What a run shows, for progress when it goes on.
    pub live: Option<Arc<Live>>,
    /// Gives it up when it was waited for long enough.
    until: Option<AbortOnDropHandle<()>>,
}

impl Entry {
    pub fn new(caller: Caller, about: String, work: Work, questions: Vec<Question>, live: Option<Arc<Live>>) -> Self {
        let keyed = questions.into_iter().enumerate().map(|(at, question)| (format!("question-{}", at + 1), question));
        Self { caller, about, work, questions: keyed.collect(), live, until: None }
    }

    /// Hands answers to who waits for them.
    fn answer(&mut self, answers: &Map<String, Value>) {
        for (key, question) in std::mem::take(&mut self.questions) {
            match answers.get(&key) {
                Some(answer) => drop(question.reply.send(raw(answer))),
                // Of what was withdrawn meanwhile nothing is wanted any more.
                None if question.reply.is_closed() => {}
                None => self.questions.push((key, question)),
            }
        }
    }

    /// The result that asks the client.
    fn asks(&self, state: &str) -> Outcome {
        let questions = self.questions.iter().map(|(key, question)| (key.clone(), question.wire()));
        let questions: Map<String, Value> = questions.collect();
        pass::raw(&json!({"resultType": "input_required", "inputRequests": questions, "requestState": state}))
    }
}

impl Parked {
    /// Parks work, and gives the result that asks the client. The work goes on as far as it can.
    pub(super) fn park(self: &Arc<Self>, mut entry: Entry) -> Outcome {
        // 122 random bits from the system: no other client guesses one.
        let state = uuid::Uuid::new_v4().to_string();
        let asks = entry.asks(&state);
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
        let (weak, id) = (Arc::downgrade(self), state.clone());
        entry.until = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(WAITS).await;
            let late = weak.upgrade().and_then(|parked| parked.parked().remove(&id));
            drop(late);
        })));
        parked.insert(state, entry);
        asks
    }

    /// Whether something is parked under this state. Of what servers ask themselves, only they know the state.
    pub(super) fn has(&self, state: &str) -> bool {
        self.parked().contains_key(state)
    }

    /// Hands answers to what is parked under this state, and takes it up if they are all. Else it stays where it is, for as long as it
    /// would have.
    ///
    /// # Errors
    /// There is nothing under it: it was waited for too long, is another client's, or belongs to another request.
    pub(super) fn take_up(
        &self,
        state: &str,
        caller: &Caller,
        about: &str,
        answers: &Map<String, Value>,
    ) -> Result<TakenUp, ServerError> {
        let mut parked = self.parked();
        let none = || ServerError::NotParked { waits: WAITS.as_secs() };
        let fits = |entry: &&mut Entry| entry.caller == *caller && entry.about == about;
        let entry = parked.get_mut(state).filter(fits).ok_or_else(none)?;
        entry.answer(answers);
        if !entry.questions.is_empty() {
            return Ok(TakenUp::AsksAgain(entry.asks(state)));
        }
        parked.remove(state).map(TakenUp::GoesOn).ok_or_else(none)
    }

    fn parked(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of taking up work.
pub(super) enum TakenUp {
    GoesOn(Entry),
    AsksAgain(Outcome),
}

fn raw(answer: &Value) -> Result<Box<RawValue>, ClientError> {
    serde_json::value::to_raw_value(answer).map_err(|_| ClientError::Gone)
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};
    use tokio_util::sync::CancellationToken;

    use super::*;

    const ABOUT: &str = "tools/call x";

    fn entry(caller: &str, questions: Vec<Question>) -> Entry {
        let (outcome, cancel) = (Box::pin(std::future::pending()), CancellationToken::new());
        let work = Work { outcome, said: mpsc::channel(1).1, cancel, is_direct: true };
        Entry::new(Caller::named(caller), ABOUT.into(), work, questions, None)
    }

    fn question() -> (Question, oneshot::Receiver<Result<Box<RawValue>, ClientError>>) {
        let (reply, answer) = oneshot::channel();
        (Question { method: "roots/list".into(), params: None, reply }, answer)
    }

    fn json_of(asks: Outcome) -> Value {
        serde_json::from_str(asks.expect("questions").get()).expect("JSON")
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_in_part_is_asked_for_the_rest_and_waited_for_no_longer() {
        let parked = Arc::new(Parked::default());
        let ((one, one_answer), (other, other_answer)) = (question(), question());
        let asks = json_of(parked.park(entry("ann", vec![one, other])));
        let state = asks["requestState"].as_str().expect("a state");
        let take_up = |answers: Value| {
            let answers = answers.as_object().expect("answers").clone();
            parked.take_up(state, &Caller::named("ann"), ABOUT, &answers)
        };
        tokio::time::sleep(WAITS - Duration::from_secs(1)).await;
        for answers in [json!({}), json!({"question-1": 1}), json!({"question-1": 2})] {
            let Ok(TakenUp::AsksAgain(again)) = take_up(answers) else { panic!("all is answered") };
            let again = json_of(again);
            assert_eq!(again["requestState"], state, "it is where it was");
            assert!(again["inputRequests"]["question-2"].is_object(), "{again}");
        }
        assert_eq!(one_answer.await.expect("an answer").expect("a value").get(), "1");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!parked.has(state) && other_answer.await.is_err());
    }

    #[tokio::test]
    async fn what_nobody_asks_any_more_is_not_waited_for_and_no_timer_stays() {
        let parked = Arc::new(Parked::default());
        let (question, answer) = question();
        let asks = json_of(parked.park(entry("ann", vec![question])));
        drop(answer);
        let state = asks["requestState"].as_str().expect("a state");
        let taken = parked.take_up(state, &Caller::named("ann"), ABOUT, &Map::new());
        assert!(matches!(taken, Ok(TakenUp::GoesOn(_))));
        drop(taken);
        let tasks = tokio::runtime::Handle::current().metrics();
        while tasks.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_more_is_parked_than_may_be_of_one_and_of_all() {
        let parked = Arc::new(Parked::default());
        let park = |caller: &str| parked.park(entry(caller, Vec::new()));
        let refused = |caller| park(caller).unwrap_err().data.unwrap()["code"] == "server.too_many_waiting";
        for caller in ["ann", "bob", "cy", "di"] {
            (0..OF_ONE).for_each(|_| assert!(park(caller).is_ok()));
            assert!(refused(caller));
        }
        assert!(refused("ed"), "all places are taken");
    }
}
