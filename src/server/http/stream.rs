//! What one stream of a client has to be told, as a log that its reader pulls from.
//!
//! Whoever writes never waits. What was read stays for a while, so that a reader whose connection broke can go on where it was.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Bytes of events that are kept for a reader who comes back; more is forgotten, the oldest first.
const KEPT: usize = 1 << 20;
/// Bytes that may wait for a reader. The largest result (64 MiB by default) with as much again before it; a stream that holds more has a
/// reader who does not read.
const MOST: usize = 160 << 20;

/// A log of messages, each a line of JSON.
pub(super) struct Stream {
    state: Mutex<State>,
    news: Notify,
}

struct State {
    events: VecDeque<Event>,
    /// The number of the next event; the first is 1.
    next: u64,
    /// The last event that a reader took.
    read: u64,
    bytes: usize,
    /// Answers that are still to come; none means that the stream is complete.
    awaited: usize,
    /// Something other than an answer is in it.
    spoke: bool,
    ended: bool,
}

impl State {
    /// One answer fewer is still to come.
    fn one_fewer(&mut self) {
        if self.awaited > 0 {
            self.awaited -= 1;
            self.ended |= self.awaited == 0;
        }
    }

    fn answers(&self) -> Vec<Bytes> {
        self.events.iter().filter(|event| event.is_answer).map(|event| event.text.clone()).collect()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub number: u64,
    pub text: Bytes,
    is_answer: bool,
}

/// What a stream has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// Every answer, and nothing else: in the order of coming.
    Answers(Vec<Bytes>),
    /// Something that is no answer came first.
    Speech,
    /// It ended with an answer missing.
    Ended,
}

impl Stream {
    /// `awaited`: answers after which it is complete; 0: it goes on until it is ended.
    pub fn new(awaited: usize) -> Self {
        let state = State { events: VecDeque::new(), next: 1, read: 0, bytes: 0, awaited, spoke: false, ended: false };
        Self { state: Mutex::new(state), news: Notify::new() }
    }

    /// Adds a notification or a question of the server.
    pub fn tell(&self, text: Bytes) {
        self.add(text, false);
    }

    /// Adds an answer.
    pub fn answer(&self, text: Bytes) {
        self.add(text, true);
    }

    fn add(&self, text: Bytes, is_answer: bool) {
        let mut state = self.state();
        if state.ended {
            return;
        }
        let number = state.next;
        state.next += 1;
        state.bytes += text.len();
        state.spoke |= !is_answer;
        state.events.push_back(Event { number, text, is_answer });
        if is_answer {
            state.one_fewer();
        }
        while state.bytes > KEPT && state.events.front().is_some_and(|event| event.number <= state.read) {
            state.bytes -= state.events.pop_front().map_or(0, |event| event.text.len());
        }
        if state.bytes > MOST {
            state.events.clear();
            state.bytes = 0;
            state.ended = true;
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// One of the answers will not come.
    pub fn forgo(&self) {
        self.state().one_fewer();
        self.news.notify_waiters();
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.state().ended = true;
        self.news.notify_waiters();
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    pub fn is_ended(&self) -> bool {
        self.state().ended
    }

    /// Waits until it can be said how to answer.
    pub async fn ready(&self) -> Ready {
        self.when(|state| {
            if state.spoke {
                return Some(Ready::Speech);
            }
            state.ended.then(|| if state.awaited == 0 { Ready::Answers(state.answers()) } else { Ready::Ended })
        })
        .await
    }

    /// Waits for its end, whatever else is said; gives the answers.
    pub async fn complete(&self) -> Vec<Bytes> {
        self.when(|state| state.ended.then(|| state.answers())).await
    }

    /// The last event that there is.
    pub fn newest(&self) -> u64 {
        self.state().next - 1
    }

    /// The last event that somebody took.
    pub fn read(&self) -> u64 {
        self.state().read
    }

    /// The first event after this one; `None` at the end.
    pub async fn after(&self, number: u64) -> Option<Event> {
        self.when(|state| {
            let found = state.events.iter().find(|event| event.number > number).cloned();
            match found {
                Some(event) => {
                    state.read = state.read.max(event.number);
                    Some(Some(event))
                }
                None => state.ended.then_some(None),
            }
        })
        .await
    }

    async fn when<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // From here on no news is missed.
            news.as_mut().enable();
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            news.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: usize) -> Bytes {
        Bytes::from(n.to_string())
    }

    #[tokio::test]
    async fn answers_alone_are_ready_when_all_are_there() {
        let stream = Stream::new(2);
        stream.answer(text(1));
        assert!(!stream.is_ended());
        stream.answer(text(2));
        assert_eq!(stream.ready().await, Ready::Answers(vec![text(1), text(2)]));
        stream.tell(text(3));
        assert!(stream.after(2).await.is_none(), "nothing is told after the answers");
    }

    #[tokio::test]
    async fn a_reader_who_comes_back_goes_on_where_it_was() {
        let stream = Stream::new(1);
        stream.tell(text(1));
        stream.tell(text(2));
        assert_eq!(stream.ready().await, Ready::Speech);
        assert_eq!(stream.after(0).await.unwrap().text, text(1));
        assert_eq!(stream.after(1).await.unwrap().number, 2);
        stream.answer(text(3));
        assert_eq!(stream.after(1).await.unwrap().text, text(2));
        assert_eq!(stream.after(2).await.unwrap().text, text(3));
        assert!(stream.after(3).await.is_none());
    }

    #[tokio::test]
    async fn what_was_read_is_forgotten_in_time_and_what_was_not_is_kept() {
        let stream = Stream::new(0);
        let piece = Bytes::from(vec![b'x'; KEPT / 4]);
        for number in 0..20 {
            stream.tell(piece.clone());
            assert_eq!(stream.after(number).await.unwrap().number, number + 1);
        }
        assert!(stream.bytes() <= KEPT + piece.len());
        for _ in 0..20 {
            stream.tell(piece.clone());
        }
        assert_eq!(stream.after(20).await.unwrap().number, 21);
        // Nobody reads any more: it ends instead of growing.
        while !stream.is_ended() {
            stream.tell(piece.clone());
        }
        assert_eq!(stream.bytes(), 0);
        stream.complete().await;
    }
}
