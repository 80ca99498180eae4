//! Requests on their way over one connection: ours with their answers, and the server's own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::model::RequestId;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::trouble::Trouble;

/// Requests of a server's that may wait for our answers; it could ask faster than it takes them. Each of the calls that a server
/// works on may ask a few times.
const MOST_ASKED: usize = 256;

/// What came for a request. rmcp is only told that it came: through its types the text would be copied and parsed again.
#[derive(Debug)]
pub(super) enum Answer {
    /// The `result`, letter by letter.
    Raw(Box<RawValue>),
    /// The answer was longer than a line may be; its size in bytes.
    TooLarge(u64),
    /// There will be none.
    Trouble(Trouble),
}

/// Our requests that are waited for, and the answers of those that have one.
#[derive(Default)]
pub(super) struct Ours(Mutex<HashMap<RequestId, Place>>);

#[derive(Default)]
struct Place {
    answer: Option<Answer>,
    given_up: CancellationToken,
}

impl Ours {
    fn places(&self) -> MutexGuard<'_, HashMap<RequestId, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on its answer is waited for.
    pub(super) fn sent(&self, id: RequestId) {
        self.places().insert(id, Place::default());
    }

    pub(super) fn is_awaited(&self, id: &RequestId) -> bool {
        self.places().get(id).is_some_and(|place| place.answer.is_none())
    }

    /// Whether it is one that was sent and not given up. Those of the handshake never are.
    pub(super) fn knows(&self, id: &RequestId) -> bool {
        self.places().contains_key(id)
    }

    /// Keeps an answer. One that nobody waits for any more is dropped, and so is a second one.
    pub(super) fn answered(&self, id: &RequestId, answer: Answer) {
        if let Some(Place { answer: place @ None, .. }) = self.places().get_mut(id) {
            *place = Some(answer);
        }
    }

    /// The answer to this request, if it came; afterwards nobody waits for one.
    pub(super) fn take(&self, id: &RequestId) -> Option<Answer> {
        self.places().remove(id)?.answer
    }

    /// Nobody waits for this answer any more, if it did not come.
    pub(super) fn give_up(&self, id: &RequestId) {
        if let Some(place) = self.places().remove(id) {
            place.given_up.cancel();
        }
    }

    /// Cancelled when a request that is waited for is given up; never for what has no answer.
    pub(super) fn given_up(&self, id: Option<&RequestId>) -> CancellationToken {
        let places = self.places();
        id.and_then(|id| places.get(id)).map(|place| place.given_up.clone()).unwrap_or_default()
    }
}

/// The server's requests that it has no answer to yet, with what it asks in its own words: rmcp's types would lose what they do not know.
#[derive(Default)]
pub(super) struct Theirs(Mutex<HashMap<RequestId, Option<Box<RawValue>>>>);

impl Theirs {
    fn open(&self) -> MutexGuard<'_, HashMap<RequestId, Option<Box<RawValue>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this one is taken up: not one too many, and none twice.
    pub(super) fn take_up(&self, id: &RequestId, params: Option<&RawValue>) -> bool {
        let mut open = self.open();
        let is_taken_up = open.len() < MOST_ASKED && !open.contains_key(id);
        if is_taken_up {
            open.insert(id.clone(), params.map(ToOwned::to_owned));
        }
        is_taken_up
    }

    /// The `params` of one that is open.
    pub(super) fn params(&self, id: &RequestId) -> Option<Box<RawValue>> {
        self.open().get(id)?.clone()
    }

    /// Our answer went out, or never will.
    pub(super) fn done(&self, id: Option<&RequestId>) {
        if let Some(id) = id {
            self.open().remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_only_for_who_waits() {
        let ours = Ours::default();
        let [one, other] = [1, 2].map(RequestId::Number);
        ours.sent(one.clone());
        for bytes in [1, 2] {
            ours.answered(&one, Answer::TooLarge(bytes));
            ours.answered(&other, Answer::TooLarge(bytes));
        }
        assert!(ours.knows(&one) && !ours.is_awaited(&one), "it has come");
        assert!(matches!(ours.take(&one), Some(Answer::TooLarge(1))), "the first one counts");
        assert!(ours.take(&one).is_none() && ours.take(&other).is_none());
    }

    #[test]
    fn a_server_asks_no_faster_than_it_is_answered() {
        let theirs = Theirs::default();
        let ask = |id: usize| theirs.take_up(&RequestId::String(id.to_string().into()), None);
        assert!((0..MOST_ASKED).all(ask));
        assert!(!ask(MOST_ASKED) && !ask(0));
        theirs.done(Some(&RequestId::String("0".into())));
        assert!(ask(0) && !ask(0));
    }
}
