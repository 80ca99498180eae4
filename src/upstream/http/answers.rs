//! The body of an answer as a stream of events: what rmcp shall see of it.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use rmcp::model::{JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use sse_stream::{Error, Sse};
use tokio::io::AsyncRead;

use crate::upstream::MAX_LINE;
use crate::upstream::events::{Event, Events, Next};
use crate::upstream::tap::Tap;
use crate::upstream::trouble::Trouble;

/// A server that wants its streams taken up again sooner, in milliseconds, would be asked as fast as it can answer.
const SOONEST_RESUME: u64 = 100;

pub(super) type Stream = BoxStream<'static, Result<Sse, Error>>;

/// Passes every event through the tap. `awaited`: the request this is the answer to; when the stream ends without its answer,
/// and cannot be taken up again, the tap is told what happened.
///
/// `pause`: how long the end of a stream that said nothing is kept back, as rmcp asks for the next one at once.
pub(super) fn stream(
    body: impl AsyncRead + Unpin + Send + 'static,
    tap: Arc<Tap>,
    awaited: Option<RequestId>,
    pause: Duration,
) -> Stream {
    let events = Events::new(body, MAX_LINE);
    let reading = Reading { events, tap, awaited, pause, said_anything: false, resumable: false, over: false };
    unfold(reading, |mut reading| async move { reading.next().await.map(|item| (item, reading)) }).boxed()
}

/// Several messages that came as one JSON array, as the revision of 2025-03-26 allows.
pub(super) fn batch(messages: Vec<ServerJsonRpcMessage>) -> Stream {
    futures::stream::iter(messages.into_iter().map(|message| Ok(event(&message, Event::default())))).boxed()
}

struct Reading<R> {
    events: Events<R>,
    tap: Arc<Tap>,
    awaited: Option<RequestId>,
    pause: Duration,
    said_anything: bool,
    /// The server numbers its events, so rmcp can ask for the rest.
    resumable: bool,
    over: bool,
}

impl<R: AsyncRead + Unpin> Reading<R> {
    async fn next(&mut self) -> Option<Result<Sse, Error>> {
        if self.over {
            return None;
        }
        loop {
            match self.events.next().await {
                Ok(Some(Next::Event(event))) => return Some(Ok(self.seen(event))),
                Ok(Some(Next::TooLong { bytes, answers })) => {
                    let asked = self.awaited.take();
                    let answered = answers.or(asked);
                    if let Some(message) = self.tap.too_long(answered, bytes) {
                        return Some(Ok(event(&message, Event::default())));
                    }
                }
                Ok(None) => return self.ended("the server ended its answer before it was whole".into()).await,
                Err(error) => return self.ended(super::causes(&error)).await,
            }
        }
    }

    fn seen(&mut self, mut read: Event) -> Sse {
        self.said_anything = true;
        read.retry = read.retry.map(|milliseconds| milliseconds.max(SOONEST_RESUME));
        self.resumable |= read.id.is_some();
        let data = read.data.take();
        // Other kinds of events are no messages.
        let is_message = matches!(read.kind.as_deref(), None | Some("" | "message"));
        let message = data.filter(|_| is_message).and_then(|data| self.tap.incoming(&data));
        let message = match &self.awaited {
            Some(asked) => message.map(|message| addressed(message, asked)).filter(|message| self.concerns(message)),
            None => message,
        };
        match message {
            Some(message) => {
                if answered(&message).is_some_and(|id| Some(id) == self.awaited.as_ref()) {
                    self.awaited = None;
                }
                event(&message, read)
            }
            None => Sse { event: read.kind, data: None, id: read.id, retry: read.retry },
        }
    }

    /// An answer that nobody waits for is kept from rmcp, which takes the first answer on such a stream for the last.
    fn concerns(&self, message: &ServerJsonRpcMessage) -> bool {
        let greets = self.awaited.as_ref().is_some_and(|asked| !self.tap.ours.knows(asked));
        greets || answered(message).is_none_or(|id| self.tap.ours.knows(id))
    }

    async fn ended(&mut self, reason: String) -> Option<Result<Sse, Error>> {
        self.over = true;
        if !self.resumable
            && let Some(id) = self.awaited.take()
        {
            let message = self.tap.troubled(Some(&id), Trouble::Broken(reason))?;
            return Some(Ok(event(&message, Event::default())));
        }
        if !self.said_anything {
            tokio::time::sleep(self.pause).await;
        }
        // rmcp takes up a stream again that the server numbered, after the pause that the server asked for.
        None
    }
}

/// An error that names no request, in the answer to `asked`, is about that one.
pub(super) fn addressed(message: ServerJsonRpcMessage, asked: &RequestId) -> ServerJsonRpcMessage {
    match message {
        JsonRpcMessage::Error(error) if error.id.is_none() => {
            ServerJsonRpcMessage::error(error.error, Some(asked.clone()))
        }
        other => other,
    }
}

/// The request that a message answers.
pub(super) fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    }
}

fn event(message: &ServerJsonRpcMessage, read: Event) -> Sse {
    // Plain data: it cannot fail.
    let data = serde_json::to_string(message).ok();
    Sse { event: read.kind, data, id: read.id, retry: read.retry }
}
