//! A stream of server-sent events (WHATWG HTML, "Server-sent events"), with a limit.
//!
//! Read as the standard says: unknown fields and lines without a colon mean nothing, and bytes that are not UTF-8 are for the
//! reader of the data to judge. One event that is wrong never loses the ones after it.

use std::io;

use rmcp::model::RequestId;
use tokio::io::AsyncRead;

use super::lines::{Line, Lines};

/// An id goes back to the server in a header; nobody takes one that is longer there.
const LONGEST_ID: usize = 4096;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// `event:`; `message` when it is not there.
    pub(super) kind: Option<String>,
    /// All `data:` lines, joined by newlines; `None` when there was none.
    pub(super) data: Option<Vec<u8>>,
    pub(super) id: Option<String>,
    /// `retry:` in milliseconds.
    pub(super) retry: Option<u64>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Event(Event),
    /// An event over the limit was read past. `answers`: the id of the request it answers, where that could be seen.
    TooLong {
        bytes: u64,
        answers: Option<RequestId>,
    },
}

pub(super) struct Events<R> {
    lines: Lines<R>,
    limit: usize,
    first: bool,
}

impl<R: AsyncRead + Unpin> Events<R> {
    /// `limit`: the most bytes of data in one event.
    pub(super) fn new(reader: R, limit: usize) -> Self {
        // What stands before the data of a line: `data: `.
        Self { lines: Lines::new(reader, limit + 16), limit, first: true }
    }

    /// The next event that says anything; `None` at the end of the stream, where an event without its empty line is none. Not
    /// cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<Next>> {
        let mut event = Event::default();
        let mut too_long: Option<(u64, Option<RequestId>)> = None;
        let mut said_anything = false;
        while let Some(line) = self.lines.next().await? {
            match line {
                Line::TooLong { bytes, answers } => {
                    event.data = None;
                    too_long = Some((bytes, answers));
                }
                Line::Whole(line) => {
                    let line = if std::mem::take(&mut self.first) { without_mark(line) } else { line };
                    if line.is_empty() {
                        if let Some((bytes, answers)) = too_long {
                            return Ok(Some(Next::TooLong { bytes, answers }));
                        }
                        if said_anything {
                            return Ok(Some(Next::Event(event)));
                        }
                        continue;
                    }
                    said_anything |= take(&mut event, line);
                    if let Some(data) = event.data.as_ref().filter(|data| data.len() > self.limit) {
                        too_long = Some((data.len() as u64, None));
                        event.data = None;
                    }
                }
            }
        }
        Ok(None)
    }
}

/// A byte order mark may stand before the first line.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

/// Adds a line's field to the event; whether it was one that says anything.
fn take(event: &mut Event, line: &[u8]) -> bool {
    let (field, value) = match memchr::memchr(b':', line) {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None => (line, &[][..]),
    };
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let text = || String::from_utf8_lossy(value).into_owned();
    match field {
        b"data" => match &mut event.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => event.data = Some(value.to_vec()),
        },
        b"event" => event.kind = Some(text()),
        b"id" if !value.contains(&0) && value.len() <= LONGEST_ID => event.id = Some(text()),
        b"retry" => match text().parse() {
            Ok(milliseconds) => event.retry = Some(milliseconds),
            Err(_) => return false,
        },
        // A comment, or a field of another time.
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], limit: usize) -> Vec<Next> {
        let mut events = Events::new(input, limit);
        let mut all = Vec::new();
        while let Some(next) = events.next().await.expect("reading from memory") {
            all.push(next);
        }
        all
    }

    fn data(text: &str) -> Next {
        Next::Event(Event { data: Some(text.into()), ..Event::default() })
    }

    #[tokio::test]
    async fn fields_lines_and_marks_are_read_as_the_standard_says() {
        let stream = b"\xef\xbb\xbf: hello\n\ndata: one\r\n\r\nevent: endpoint\ndata:/x\nid: 7\nretry: 50\nwhat\nodd: 1\n\ndata: a\ndata:  b\n\ndata\n\ndata: never ended";
        let endpoint =
            Event { kind: Some("endpoint".into()), data: Some(b"/x".to_vec()), id: Some("7".into()), retry: Some(50) };
        assert_eq!(read(stream, 100).await, [data("one"), Next::Event(endpoint), data("a\n b"), data("")]);
    }

    #[tokio::test]
    async fn bytes_that_are_not_utf8_stay_as_they_are() {
        let wanted = Next::Event(Event { data: Some(b"a\xffb".to_vec()), ..Event::default() });
        assert_eq!(read(b"data: a\xffb\n\n", 100).await, [wanted]);
    }

    #[tokio::test]
    async fn an_event_over_the_limit_is_named_and_the_next_one_is_read() {
        let long = format!("data: {{\"id\":4,\"result\":\"{}\"}}\n\ndata: next\n\n", "x".repeat(200));
        let found = read(long.as_bytes(), 50).await;
        assert!(
            matches!(&found[0], Next::TooLong { bytes, answers: Some(RequestId::Number(4)) } if *bytes > 200),
            "{found:?}"
        );
        assert_eq!(found[1..], [data("next")]);
        let many = "data: 0123456789\n".repeat(10) + "\ndata: next\n\n";
        let found = read(many.as_bytes(), 50).await;
        assert!(matches!(&found[0], Next::TooLong { answers: None, .. }), "{found:?}");
        assert_eq!(found[1..], [data("next")]);
    }
}
