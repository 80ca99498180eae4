//! What a run shows while it runs: the newest of what its program wrote, and what it calls.
//!
//! Both streams become one text, in the order of their arrival. The run never waits for whoever looks: it writes into a
//! bounded room, from which the oldest goes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Letters of a name that is shown: the program chose it, and could choose a long one.
const NAME: usize = 100;

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A run as it is now. Offsets count the bytes of the text from the run's beginning.
#[derive(Debug)]
pub struct Live {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    kept: VecDeque<u8>,
    room: usize,
    total: u64,
    /// The first bytes of a character whose last ones are not there yet, of each stream.
    torn: [Vec<u8>; 2],
    calls: u64,
    last_call: String,
}

/// What came after an offset.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    pub text: String,
    /// Bytes before the text that are left out.
    pub skipped: u64,
    /// The offset of what comes next.
    pub end: u64,
}

/// One page of the text.
#[derive(Debug, PartialEq, Eq)]
pub enum Page {
    Text(String),
    /// It is not kept any more; the first page of which something is.
    Gone {
        first: u64,
    },
}

impl Live {
    /// Keeps the newest `room` bytes.
    pub fn new(room: usize) -> Self {
        let torn = [Vec::new(), Vec::new()];
        let state = State { kept: VecDeque::new(), room, total: 0, torn, calls: 0, last_call: String::new() };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Takes what was written, in pieces of any size.
    pub fn wrote(&self, stream: Stream, bytes: &[u8]) {
        self.state().write(stream as usize, bytes);
        self.changed.notify_one();
    }

    /// Takes note of a call that begins.
    pub fn calling(&self, server: &str, tool: &str) {
        let name = |name: &str| name.chars().take(NAME).collect::<String>();
        let mut state = self.state();
        state.calls += 1;
        state.last_call = format!("{}.{}", name(server), name(tool));
        drop(state);
        self.changed.notify_one();
    }

    /// Resolves when something came since the last time it resolved; for one listener.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// At most the newest `most` bytes after `from`. It begins and ends with whole lines where there are any; the beginning
    /// of a line is held back as long as there is something else to show.
    pub fn since(&self, from: u64, most: usize) -> News {
        let state = self.state();
        let least = state.total.saturating_sub(most as u64);
        let mut begin = from.max(least).max(state.first());
        let mut text = state.slice(begin, state.total);
        begin = state.total - text.len() as u64;
        if begin > from
            && let Some(line) = text.find('\n').map(|at| at + 1)
            && line <= text.len() / 2
        {
            text.drain(..line);
            begin += line as u64;
        }
        if let Some(last) = text.rfind('\n') {
            text.truncate(last + 1);
        }
        News { skipped: begin - from, end: begin + text.len() as u64, text }
    }

    /// The bytes from `number * size` on, `size` of them: a character belongs to the page in which it begins. What has not
    /// been written yet is empty.
    pub fn page(&self, number: u64, size: usize) -> Page {
        let (state, size) = (self.state(), size.max(1) as u64);
        let begin = number.saturating_mul(size);
        let end = begin.saturating_add(size).min(state.total);
        if end <= state.first() && state.first() > 0 {
            return Page::Gone { first: state.first() / size };
        }
        Page::Text(state.slice(begin.max(state.first()), end))
    }

    /// Bytes of text so far.
    pub fn total(&self) -> u64 {
        self.state().total
    }

    /// How many tool calls were begun, and the last one.
    pub fn calls(&self) -> (u64, String) {
        let state = self.state();
        (state.calls, state.last_call.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two are the same when they are one.
impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl State {
    fn write(&mut self, stream: usize, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.torn[stream]);
        all.extend_from_slice(bytes);
        let mut read = 0;
        for chunk in all.utf8_chunks() {
            self.keep(chunk.valid().as_bytes());
            read += chunk.valid().len() + chunk.invalid().len();
            let unfinished = || std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if read == all.len() && unfinished() {
                self.torn[stream] = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                self.keep("\u{FFFD}".as_bytes());
            }
        }
        let excess = self.kept.len().saturating_sub(self.room);
        self.kept.drain(..excess);
        while self.kept.front().is_some_and(|byte| is_inside(*byte)) {
            self.kept.pop_front();
        }
    }

    fn keep(&mut self, text: &[u8]) {
        self.kept.extend(text);
        self.total += text.len() as u64;
    }

    /// Offset of the first byte that is kept.
    fn first(&self) -> u64 {
        self.total - self.kept.len() as u64
    }

    /// The characters that begin between two offsets.
    fn slice(&self, begin: u64, end: u64) -> String {
        let place = |offset: u64| {
            let at = usize::try_from(offset.saturating_sub(self.first())).unwrap_or(usize::MAX).min(self.kept.len());
            at + self.kept.range(at..).take_while(|byte| is_inside(**byte)).count()
        };
        let (begin, end) = (place(begin), place(end));
        let bytes: Vec<u8> = self.kept.range(begin..end.max(begin)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whether a byte of UTF-8 stands inside a character, and not at its beginning.
fn is_inside(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(room: usize, pieces: &[&str]) -> Live {
        let live = Live::new(room);
        pieces.iter().for_each(|piece| live.wrote(Stream::Stdout, piece.as_bytes()));
        live
    }

    fn news(text: &str, skipped: u64, end: u64) -> News {
        News { text: text.into(), skipped, end }
    }

    #[test]
    fn what_is_new_comes_in_whole_lines_and_the_rest_of_a_line_later() {
        let live = written(100, &["one\ntw"]);
        assert_eq!(live.since(0, 100), news("one\n", 0, 4));
        assert_eq!(live.since(4, 100), news("tw", 0, 6));
        live.wrote(Stream::Stdout, b"o\nthree");
        assert_eq!(live.since(6, 100), news("o\n", 0, 8));
        assert_eq!(live.since(13, 100), news("", 0, 13));
    }

    #[test]
    fn what_is_too_much_is_left_out_at_the_beginning_and_counted() {
        let live = written(100, &["first line\nsecond line\nlast line\n"]);
        assert_eq!(live.since(0, 15), news("last line\n", 23, 33));
        // One long line is better torn than not shown.
        let live = written(10, &["0123456789abcdef"]);
        assert_eq!(live.since(0, 100), news("6789abcdef", 6, 16));
    }

    #[test]
    fn a_character_that_arrives_in_pieces_is_one_in_each_stream() {
        let live = Live::new(100);
        live.wrote(Stream::Stdout, b"a\xe2\x82");
        live.wrote(Stream::Stderr, b"\xc3");
        live.wrote(Stream::Stdout, b"\xac\xff");
        live.wrote(Stream::Stderr, b"\xa9");
        assert_eq!(live.since(0, 100).text, "a\u{20ac}\u{fffd}\u{e9}");
    }

    #[test]
    fn pages_are_the_text_and_those_that_are_gone_say_so() {
        let live = written(8, &["0123456789"]);
        assert_eq!(live.page(0, 2), Page::Gone { first: 1 });
        assert_eq!(live.page(1, 2), Page::Text("23".into()));
        assert_eq!(live.page(4, 2), Page::Text("89".into()));
        assert_eq!(live.page(5, 2), Page::Text(String::new()));
        assert_eq!(live.page(u64::MAX, 2), Page::Text(String::new()));
        assert_eq!(Live::new(8).page(0, 2), Page::Text(String::new()));
    }

    #[test]
    fn calls_are_counted_and_a_name_is_not_a_text() {
        let live = Live::new(1);
        live.calling("api", "list");
        live.calling("api", &"x".repeat(10_000));
        let (count, last) = live.calls();
        assert_eq!((count, last.len()), (2, "api.".len() + NAME));
    }

    proptest! {
        #[test]
        fn pages_of_a_text_that_is_kept_are_that_text(text: String, cuts: Vec<usize>, size in 1usize..40) {
            let live = Live::new(text.len().max(1));
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()) % 7 % (rest.len() + 1));
                live.wrote(Stream::Stdout, piece);
                rest = after;
            }
            live.wrote(Stream::Stdout, rest);
            let pages = (0..=text.len() as u64 / size as u64).map(|n| match live.page(n, size) {
                Page::Text(page) => page,
                Page::Gone { .. } => "gone".into(),
            });
            prop_assert_eq!(pages.collect::<String>(), text);
        }

        #[test]
        fn whoever_looks_often_sees_everything_and_whoever_looks_late_the_end(
            pieces: Vec<Vec<u8>>, room in 1usize..50, most in 1usize..50,
        ) {
            let live = Live::new(room);
            let mut at = 0;
            for piece in pieces {
                live.wrote(Stream::Stdout, &piece);
                let news = live.since(at, most);
                prop_assert!(news.text.len() <= most.min(room));
                prop_assert_eq!(news.end, at + news.skipped + news.text.len() as u64);
                prop_assert!(news.end <= live.total());
                at = news.end;
            }
        }
    }
}
