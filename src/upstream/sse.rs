//! The older HTTP transport of MCP (revision 2024-11-05, "HTTP with SSE"): one stream of events from the server, whose first
//! event names the address that takes our messages.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::Url;
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::AsyncRead;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::{Events, Next};
use super::http::{Client, media_type, reader};
use super::lifeline::{LastWords, Lifeline};
use super::render::render;
use super::tap::{Tap, asked, replies};
use super::trouble::Trouble;
use super::{MAX_LINE, READ_AHEAD};

/// A server that takes longer to take a notice or an answer has lost it; rmcp gives HTTP servers the same.
const NOTICE: Duration = Duration::from_secs(5);
/// Events before the one that names the address; a server may greet, but not for ever.
const MOST_GREETINGS: usize = 64;

pub(super) struct SseTransport {
    client: Client,
    /// Where messages go.
    endpoint: Url,
    /// Answers for messages that found no way are put among those of the stream.
    messages: mpsc::Sender<ServerJsonRpcMessage>,
    incoming: mpsc::Receiver<ServerJsonRpcMessage>,
    tap: Arc<Tap>,
    /// Cancelled when the stream has ended, or shall.
    stop: CancellationToken,
}

/// Opens the stream and waits for the address. The handshake is the caller's, and the limit of time.
pub(super) async fn open(
    client: Client,
    tap: Arc<Tap>,
    words: LastWords,
    tracker: &TaskTracker,
) -> Result<(SseTransport, Lifeline), Trouble> {
    let url = client.address().url.clone();
    let response = client.send(|http| http.get(url.clone()).header(ACCEPT, "text/event-stream")).await?;
    if !response.status().is_success() {
        return Err(client.refusal(response).await.0);
    }
    let found = media_type(response.headers());
    if found != "text/event-stream" {
        return Err(Trouble::NotMcp(format!("content of the type `{found}` in place of a stream of events")));
    }
    let mut events = Events::new(reader(response), MAX_LINE);
    let endpoint = endpoint(&mut events, &url).await?;
    let (lifeline, ended) = Lifeline::new(words);
    let (messages, incoming) = mpsc::channel(READ_AHEAD);
    let stop = lifeline.stop.clone();
    tracker.spawn(read(events, tap.clone(), messages.clone(), stop.clone(), ended));
    Ok((SseTransport { client, endpoint, messages, incoming, tap, stop }, lifeline))
}

/// The address in the first `endpoint` event. It must be of the same origin: what proves who we are goes there.
async fn endpoint<R: AsyncRead + Unpin>(events: &mut Events<R>, stream: &Url) -> Result<Url, Trouble> {
    for _ in 0..MOST_GREETINGS {
        let next = events.next().await.map_err(|error| Trouble::Broken(error.to_string()))?;
        let Some(next) = next else { break };
        let Next::Event(event) = next else { continue };
        if event.kind.as_deref() != Some("endpoint") {
            continue;
        }
        let data = event.data.unwrap_or_default();
        let url = std::str::from_utf8(&data).ok().and_then(|text| stream.join(text.trim()).ok());
        let url = url.ok_or_else(|| Trouble::NotMcp("an `endpoint` event that holds no address".into()))?;
        return if url.origin() == stream.origin() {
            Ok(url)
        } else {
            Err(Trouble::NotMcp("an `endpoint` event with an address of another origin".into()))
        };
    }
    Err(Trouble::NotMcp("a stream of events that names no `endpoint`".into()))
}

/// Reads events until the stream ends, nobody takes them any more, or `stop` is asked.
async fn read<R: AsyncRead + Unpin>(
    mut events: Events<R>,
    tap: Arc<Tap>,
    messages: mpsc::Sender<ServerJsonRpcMessage>,
    stop: CancellationToken,
    ended: watch::Sender<Option<String>>,
) {
    let reading = async {
        loop {
            let message = match events.next().await {
                Ok(Some(Next::Event(event))) => match (event.kind.as_deref(), event.data) {
                    (None | Some("" | "message"), Some(data)) => tap.incoming(&data),
                    _ => None,
                },
                Ok(Some(Next::TooLong { bytes, answers })) => tap.too_long(answers, bytes),
                Ok(None) => return "the server ended its stream of events".to_owned(),
                Err(error) => return error.to_string(),
            };
            if let Some(message) = message
                && messages.send(message).await.is_err()
            {
                return "it was closed".to_owned();
            }
        }
    };
    let how = stop.run_until_cancelled(reading).await.unwrap_or_else(|| "it was closed".to_owned());
    ended.send_replace(Some(how));
    stop.cancel();
}

impl Transport<RoleClient> for SseTransport {
    type Error = io::Error;

    fn send(&mut self, message: ClientJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.tap.outgoing(&message);
        let (client, url, tap) = (self.client.clone(), self.endpoint.clone(), self.tap.clone());
        let messages = self.messages.clone();
        let (given_up, stop) = (tap.ours.given_up(asked(&message)), self.stop.clone());
        // The server says only that it took the message, so a notice or an answer of ours needs no more time than that.
        let patience = if asked(&message).is_some() { Duration::MAX } else { NOTICE };
        async move {
            let posted = tokio::select! {
                biased;
                () = given_up.cancelled() => Ok(()),
                () = stop.cancelled() => Err(Trouble::Broken("it was closed".into())),
                posted = timeout(patience, post(&client, &url, &message)) => posted.unwrap_or(Ok(())),
            };
            tap.theirs.done(replies(&message));
            let Err(trouble) = posted else { return Ok(()) };
            match tap.troubled(asked(&message), trouble) {
                // Told as an answer. If nobody reads any more, the end of the connection is one.
                Some(answer) => {
                    let _ = messages.send(answer).await;
                    Ok(())
                }
                None => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        // What was read before the end comes first.
        tokio::select! {
            biased;
            message = self.incoming.recv() => message,
            () = self.stop.cancelled() => None,
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.stop.cancel();
        Ok(())
    }
}

async fn post(client: &Client, url: &Url, message: &ClientJsonRpcMessage) -> Result<(), Trouble> {
    let body = render(message).map_err(|error| Trouble::Unusable(error.to_string()))?;
    let body = bytes::Bytes::from(body);
    let build =
        |http: &reqwest::Client| http.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body.clone());
    let response = client.send(build).await?;
    if response.status().is_success() { Ok(()) } else { Err(client.refusal(response).await.0) }
}

impl Drop for SseTransport {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(stream: &str) -> Result<String, Trouble> {
        let from = "https://h:1/a/sse?k=v".parse().expect("an address");
        endpoint(&mut Events::new(stream.as_bytes(), 1000), &from).await.map(String::from)
    }

    #[tokio::test]
    async fn the_address_is_relative_to_the_stream_and_of_its_origin() {
        for (event, wanted) in [
            ("/messages?id=1", "https://h:1/messages?id=1"),
            ("messages", "https://h:1/a/messages"),
            ("https://h:1/x", "https://h:1/x"),
        ] {
            let stream = format!(": hi\n\nevent: ping\ndata: 1\n\nevent: endpoint\ndata: {event}\n\n");
            assert_eq!(found(&stream).await.as_deref(), Ok(wanted));
        }
        for stream in [
            "event: endpoint\ndata: https://evil/x\n\n",
            "event: endpoint\ndata: //evil/x\n\n",
            "event: endpoint\ndata: http://h:1/x\n\n",
            "event: endpoint\n\n\n",
            "data: x\n\n",
            "",
        ] {
            // An empty address is the stream's own, which takes no messages; but that is for the server to say.
            let outcome = found(stream).await;
            let own = outcome.as_deref() == Ok("https://h:1/a/sse?k=v");
            assert!(
                own == stream.starts_with("event: endpoint\n\n") && (own || outcome.is_err()),
                "{stream}: {outcome:?}"
            );
        }
    }
}
