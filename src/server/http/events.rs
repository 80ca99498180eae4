//! A stream as server-sent events, and the choice between them and plain JSON.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::auth::Who;
use super::body::Accepts;
use super::error::HttpError;
use super::reply::{self, JSON, Reply};
use super::stream::{Ready, Stream};

/// Silence after which an answer becomes a stream, and the client learns that its request has come. Short enough for any client's
/// patience, long enough that ordinary calls are one plain answer.
const SILENCE: Duration = Duration::from_secs(5);
/// Silence of a stream after which a comment is sent: proxies are known to close after 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Reads a stream as events.
pub(super) struct Reader<G> {
    pub stream: Arc<Stream>,
    /// The first event read is the one after this.
    pub after: u64,
    /// The stream's number, for clients that may come back to it.
    pub number: Option<u64>,
    pub who: Who,
    /// Ends the reading, not the stream.
    pub until: tokio_util::sync::CancellationToken,
    /// Kept as long as somebody reads; told when the stream came to its end.
    pub guard: G,
}

/// Something that belongs to a reader.
pub(super) trait Guard: Send + 'static {
    /// Everything was read.
    fn done(&mut self) {}
}

impl Guard for () {}

impl<G: Guard> Reader<G> {
    pub fn reply(self) -> Reply {
        reply::events(futures::stream::unfold((self, None), |(mut reader, mut last)| async move {
            let next = loop {
                if last.is_some_and(|last| reader.after >= last) {
                    return None;
                }
                tokio::select! {
                    biased;
                    () = reader.until.cancelled() => return None,
                    // What is there is still told, for the last answer of a bridge that ends comes together with its end.
                    () = reader.who.over(), if last.is_none() => last = Some(reader.stream.newest()),
                    next = reader.stream.after(reader.after) => break next,
                    () = tokio::time::sleep(KEEP_ALIVE) => {
                        return last.is_none().then(|| (Bytes::from_static(b":\n\n"), (reader, last)));
                    }
                }
            };
            let Some(event) = next else {
                reader.guard.done();
                return None;
            };
            reader.after = event.number;
            let mut text = Vec::with_capacity(event.text.len() + 40);
            text.extend_from_slice(b"event: message\n");
            if let Some(number) = reader.number {
                text.extend_from_slice(format!("id: {number}-{}\n", event.number).as_bytes());
            }
            text.extend_from_slice(b"data: ");
            text.extend_from_slice(&event.text);
            text.extend_from_slice(b"\n\n");
            Some((Bytes::from(text), (reader, last)))
        }))
    }
}

/// Answers a request: with JSON if nothing but its answers is there soon, else with events. `status`: of a single answer.
///
/// # Errors
/// The conversation ended first.
pub(super) async fn answer<G: Guard>(
    mut reader: Reader<G>,
    accepts: Accepts,
    batch: bool,
    status: fn(&[u8]) -> StatusCode,
) -> Result<Reply, HttpError> {
    let ready = tokio::select! {
        biased;
        // First: at the end of a drain the last answers are there when everybody's time is over.
        ready = reader.stream.ready() => ready,
        () = reader.who.over() => Ready::Ended,
        () = tokio::time::sleep(SILENCE), if accepts.events => Ready::Speech,
    };
    let answers = match ready {
        Ready::Answers(answers) if accepts.json => answers,
        Ready::Ended => return Err(HttpError::Ended),
        _ if accepts.events => return Ok(reader.reply()),
        _ => tokio::select! {
            biased;
            answers = reader.stream.complete() => answers,
            () = reader.who.over() => return Err(HttpError::Ended),
        },
    };
    reader.guard.done();
    // Of requests that were all cancelled there is none.
    let first = answers.first().cloned().ok_or(HttpError::Ended)?;
    if batch {
        let all: Vec<&[u8]> = answers.iter().map(|answer| &answer[..]).collect();
        let body = [&b"["[..], &all.join(&b","[..]), &b"]"[..]].concat();
        return Ok(reply::bytes(StatusCode::OK, JSON, body));
    }
    Ok(reply::bytes(status(&first), JSON, first))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::execution::Caller;

    #[tokio::test]
    async fn what_is_there_is_told_before_the_end_and_nothing_after_it() {
        // Often enough that no luck is in it.
        for _ in 0..50 {
            let (stream, root) = (Arc::new(Stream::new(0)), CancellationToken::new());
            let who = Who { caller: Caller::anonymous(), root: root.clone(), until: None };
            let until = CancellationToken::new();
            let reader = Reader { stream: Arc::clone(&stream), after: 0, number: None, who, until, guard: () };
            stream.tell("1".into());
            stream.tell("2".into());
            root.cancel();
            let mut body = reader.reply().into_body();
            let first = body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap();
            stream.tell("3".into());
            let rest = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
            assert_eq!(first, "event: message\ndata: 1\n\n");
            assert_eq!(rest, "event: message\ndata: 2\n\n");
        }
    }
}
