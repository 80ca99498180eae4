//! What one program asks: counted, answered concurrently, and bounded in what it makes the host hold.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::conversation::{Answer, Conduct, Ending, readable};
use super::frame::{Frame, FrameError};
use super::message;
use super::message::{Refusal, kind};

/// Requests being answered at once; above it the program's stream is left unread until some are done. More than any gather
/// gains from, and a bound on what a hostile program makes the host hold.
const MAX_IN_FLIGHT: usize = 1024;
/// Bytes of requests being answered at once, for the same reason: two of the largest frames.
const MAX_IN_FLIGHT_BYTES: usize = 128 << 20;
/// Bytes of replies that the guest has not taken yet: more than a sandbox of the default size could hold at once, so only a
/// program that does not read its replies meets it.
const MAX_UNREAD_BYTES: usize = 256 << 20;

/// What a request came to.
pub(super) type Answered = Result<(Box<RawValue>, Held), Refusal>;

/// A request and what it comes to; nothing if answering it panicked.
type Answering = BoxFuture<'static, (u64, Option<Answered>)>;

/// The room that one reply takes until the guest has it; given back when dropped.
pub(super) struct Held {
    unread: Arc<AtomicUsize>,
    bytes: usize,
}

impl Held {
    /// Takes room for a value, or drops the value where there is none.
    fn hold(value: Box<RawValue>, unread: Arc<AtomicUsize>) -> Answered {
        let held = Self { bytes: value.get().len(), unread };
        let others = held.unread.fetch_add(held.bytes, Ordering::Relaxed);
        // One reply alone always passes: its size has a limit of its own.
        if others > 0 && others + held.bytes > MAX_UNREAD_BYTES {
            return Err(Refusal {
                kind: "CallFailed",
                message: format!("the result was dropped: results of {} MiB wait to be read already", others >> 20),
                hint: Some("await fewer large results at a time".into()),
                code: "guest.unread_replies",
            });
        }
        Ok((value, held))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unread.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The requests of one run: counted, answered concurrently, cancellable. All of them in the conversation's own task: a task for
/// each would be a hand-over between threads on the way in and another on the way out, which is most of what a call costs.
pub(super) struct Requests {
    answer: Arc<dyn Answer>,
    conduct: Conduct,
    asked: u64,
    bytes: usize,
    unread: Arc<AtomicUsize>,
    running: FuturesUnordered<Abortable<Answering>>,
    by_id: HashMap<u64, (AbortHandle, usize)>,
}

impl Requests {
    pub fn new(answer: Arc<dyn Answer>, conduct: Conduct) -> Self {
        Self {
            answer,
            conduct,
            asked: 0,
            bytes: 0,
            unread: Arc::default(),
            running: FuturesUnordered::new(),
            by_id: HashMap::new(),
        }
    }

    pub fn accepting(&self) -> bool {
        self.running.len() < MAX_IN_FLIGHT && self.bytes < MAX_IN_FLIGHT_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub fn abort(&mut self) {
        self.running.clear();
        self.by_id.clear();
    }

    /// The next finished request; cancelled ones have no reply and are passed over.
    pub async fn next(&mut self) -> Option<(u64, Answered)> {
        loop {
            let Ok((id, reply)) = self.running.next().await? else { continue };
            self.forget(id);
            match reply {
                Some(reply) => return Some((id, reply)),
                None => tracing::error!("answering a request panicked; this is a fault of the bridge"),
            }
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some((_, bytes)) = self.by_id.remove(&id) {
            self.bytes -= bytes;
        }
    }

    /// Reads one item of the program's stream; `false` when the stream is over.
    pub fn program_frame(&mut self, frame: Option<Result<Frame, FrameError>>, ending: &mut Ending) -> bool {
        let Some(frame) = readable(frame, ending) else { return false };
        match frame.kind {
            // The run is over; only its report is waited for.
            kind::CALL if ending.violation.is_some() => {}
            kind::CALL => {
                if let Err(violation) = self.call(&frame.payload) {
                    ending.violation = Some(violation);
                }
            }
            kind::CANCEL => {
                if let Ok(IdOnly { id }) = message::read(&frame.payload)
                    && let Some((handle, _)) = self.by_id.get(&id)
                {
                    handle.abort();
                    self.forget(id);
                }
            }
            // It waits for its next program; the host knows that anyway, but for the first one.
            kind::AWAITING => {}
            kind::BEGUN => ending.begun = true,
            kind::FINISHED => match message::read(&frame.payload) {
                Ok(finished) => ending.finished = Some(finished),
                Err(error) => ending.violation = Some(format!("the program's report cannot be read: {error}")),
            },
            kind => ending.violation = Some(format!("the program's stream has an unknown frame (kind 0x{kind:02x})")),
        }
        true
    }

    fn call(&mut self, payload: &[u8]) -> Result<(), String> {
        let IdOnly { id } = message::read(payload).map_err(|e| format!("a request cannot be read: {e}"))?;
        if self.by_id.contains_key(&id) {
            return Err(format!("request id {id} is used twice"));
        }
        self.asked += 1;
        let request = message::request(payload);
        let over = self.asked > self.conduct.max_calls;
        let max = self.conduct.max_calls;
        let (answer, unread) = (Arc::clone(&self.answer), Arc::clone(&self.unread));
        let answering = async move {
            match request {
                _ if over => Err(Refusal {
                    kind: "CallLimit",
                    message: format!("this run has made {max} requests, the most that it may make"),
                    hint: Some("do the work in several runs, or raise MCP_BRIDGE_MAX_CALLS".into()),
                    code: "guest.call_limit",
                }),
                Ok(request) => answer.answer(request.operation).await.and_then(|value| Held::hold(value, unread)),
                Err(error) => Err(Refusal {
                    kind: "InvalidRequest",
                    message: format!("the host cannot read this request: {error}"),
                    hint: Some("pass plain JSON values nested less than 100 deep".into()),
                    code: "guest.invalid_request",
                }),
            }
        };
        // A panic ends one answer, not the run.
        let answering = AssertUnwindSafe(answering).catch_unwind().map(move |reply| (id, reply.ok()));
        let (handle, registration) = AbortHandle::new_pair();
        self.running.push(Abortable::new(answering.boxed(), registration));
        self.bytes += payload.len();
        self.by_id.insert(id, (handle, payload.len()));
        Ok(())
    }
}

/// Reading only the id ignores the rest without recursion, so a deeply nested request is refused by its number.
#[derive(Deserialize)]
struct IdOnly {
    id: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Answer for Nobody {
        fn answer(self: Arc<Self>, _: message::Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
            panic!("nothing that can be answered was asked")
        }
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_read_is_refused_by_its_number() {
        let mut requests = Requests::new(Arc::new(Nobody), Conduct { max_calls: 9 });
        let deep = format!(
            r#"{{"id":3,"op":"call_tool","server":"s","tool":"t","args":{}1{}}}"#,
            "[".repeat(500),
            "]".repeat(500)
        );
        for (id, payload) in [(1, r#"{"id":1}"#), (2, r#"{"id":2,"op":"fly"}"#), (3, &deep)] {
            requests.call(payload.as_bytes()).unwrap();
            let (answered, outcome) = requests.next().await.unwrap();
            let code = outcome.map(drop).unwrap_err().code;
            assert_eq!((answered, code), (id, "guest.invalid_request"), "{payload:.60}");
        }
    }
}
