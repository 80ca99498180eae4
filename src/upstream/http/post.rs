//! One message out, its answer back: what rmcp's Streamable HTTP worker asks of an HTTP client.
//!
//! Every way in which an answer can fail to come is told to the tap as what it was. rmcp itself hears of it only where it has
//! something to do: a session that expired is made anew, a handshake ends.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::Response;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::value::RawValue;
use sse_stream::Sse;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::answers;
use super::client::{self, Client};
use crate::upstream::MAX_LINE;
use crate::upstream::render::render;
use crate::upstream::tap::{Tap, asked, replies};
use crate::upstream::trouble::Trouble;

const BOTH: &str = "application/json, text/event-stream";
const SESSION: &str = "mcp-session-id";
/// Servers without anything to say by themselves answer a look at the stream of the session with an empty one; the next look comes
/// after this.
const EMPTY_STREAM: Duration = Duration::from_secs(10);

type Outcome<T> = Result<T, StreamableHttpError<reqwest::Error>>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

#[derive(Clone)]
pub(in crate::upstream) struct Poster {
    pub(super) client: Client,
    pub(super) tap: Arc<Tap>,
    /// Cancelled when the connection was given up, or came never about.
    pub(super) stop: CancellationToken,
    /// By its end who waits for the end of the connection hears of it.
    pub(super) _life: Arc<watch::Sender<Option<String>>>,
}

/// Why a message has no answer.
enum Fault {
    /// The server does not know the session any more; rmcp makes a new one and asks again.
    SessionExpired,
    Trouble(Trouble),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Poster {
    async fn exchange(
        &self,
        message: &ClientJsonRpcMessage,
        session: Option<&str>,
        headers: HeaderMap,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        // What a header says is made of the tree: where that rounds it, the body says it rounded too.
        let body = if rounds(&headers) { serde_json::to_vec(message) } else { render(message) };
        let body = body.map_err(|error| Trouble::Unusable(error.to_string()))?;
        let body = bytes::Bytes::from(body);
        let url = &self.client.address().url;
        let headers = with_session(headers, session);
        let build = |http: &reqwest::Client| {
            let request = http.post(url.clone()).headers(headers.clone());
            request.header(ACCEPT, BOTH).header(CONTENT_TYPE, "application/json").body(body.clone())
        };
        let response = self.client.send(build).await?;
        let asked = asked(message);
        match response.status() {
            StatusCode::NOT_FOUND if session.is_some() => Err(Fault::SessionExpired),
            status if !status.is_success() => self.refused(response, message, session.is_some()).await,
            // Nothing follows; the answer to a request comes on the stream of the session.
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(StreamableHttpPostResponse::Accepted),
            _ => self.taken(response, asked).await,
        }
    }

    async fn taken(&self, response: Response, asked: Option<&RequestId>) -> Result<StreamableHttpPostResponse, Fault> {
        let session = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
        match (client::media_type(response.headers()).as_str(), asked) {
            ("text/event-stream", asked) => {
                Ok(StreamableHttpPostResponse::Sse(self.stream(response, asked.cloned(), Duration::ZERO), session))
            }
            // Only a request has an answer; what else comes back says nothing.
            (_, None) => Ok(StreamableHttpPostResponse::Accepted),
            ("application/json", Some(id)) => {
                let expected = response.content_length().unwrap_or(0);
                let Some(body) = client::body(response, MAX_LINE).await? else {
                    let bytes = expected.max(MAX_LINE as u64 + 1);
                    let message = self.tap.too_long(Some(id.clone()), bytes);
                    return message
                        .map(|message| StreamableHttpPostResponse::Json(message, session))
                        .ok_or_else(nothing);
                };
                self.read(&body, id, session)
            }
            ("", Some(_)) => Err(not_mcp("a body without a content type")),
            (other, Some(_)) => Err(not_mcp(&format!("content of the type `{other}`"))),
        }
    }

    /// The message of a JSON body, or all messages of a batch.
    fn read(
        &self,
        body: &[u8],
        asked: &RequestId,
        session: Option<String>,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        let unreadable = || not_mcp(&String::from_utf8_lossy(body));
        if body.trim_ascii_start().first() != Some(&b'[') {
            let message = answers::addressed(self.tap.incoming(body).ok_or_else(unreadable)?, asked);
            // Nothing else will come: it would be waited for in vain.
            if let Some(other) = answers::answered(&message).filter(|id| *id != asked && self.tap.ours.knows(asked)) {
                return Err(not_mcp(&format!("an answer to request {other}, which is another")));
            }
            return Ok(StreamableHttpPostResponse::Json(message, session));
        }
        let messages: Vec<Box<RawValue>> = serde_json::from_slice(body).map_err(|_| unreadable())?;
        let messages = messages.iter().filter_map(|message| self.tap.incoming(message.get().as_bytes())).collect();
        Ok(StreamableHttpPostResponse::Sse(answers::batch(messages), session))
    }

    /// A status that is no success. An error of the protocol in its body is an answer like any other.
    async fn refused(
        &self,
        response: Response,
        message: &ClientJsonRpcMessage,
        in_session: bool,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        let status = response.status();
        let is_json = client::media_type(response.headers()) == "application/json";
        let (trouble, body) = self.client.refusal(response).await;
        let Some(id) = asked(message) else { return Err(trouble.into()) };
        let error = Some(&body).filter(|_| is_json).and_then(|body| protocol_error(body));
        let asks_to_discover = matches!(
            message,
            JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::DiscoverRequest(_))
        );
        match error {
            Some(error) if !in_session || status.is_server_error() => {
                Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id.clone())), None))
            }
            // A server of the older era need not know `server/discover`, and has no session yet that it could be asked in. Any
            // error tells rmcp to begin with `initialize`.
            None if asks_to_discover && matches!(trouble, Trouble::Status { status: 400..500, .. }) => {
                let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("HTTP status {status}"), None);
                Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id.clone())), None))
            }
            _ => Err(trouble.into()),
        }
    }

    /// The events of an answer, as long as the connection is wanted.
    fn stream(&self, response: Response, asked: Option<RequestId>, pause: Duration) -> Events {
        let events = answers::stream(client::reader(response), self.tap.clone(), asked, pause);
        events.take_until(self.stop.clone().cancelled_owned()).boxed()
    }

    fn told(&self, message: &ClientJsonRpcMessage, fault: Fault) -> Outcome<StreamableHttpPostResponse> {
        match fault {
            Fault::SessionExpired => Err(StreamableHttpError::SessionExpired),
            Fault::Trouble(trouble) => match self.tap.troubled(asked(message), trouble) {
                Some(answer) => Ok(StreamableHttpPostResponse::Json(answer, None)),
                None => Err(StreamableHttpError::UnexpectedServerResponse(Cow::Borrowed("see the tap"))),
            },
        }
    }
}

impl StreamableHttpClient for Poster {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        _: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<StreamableHttpPostResponse> {
        self.tap.outgoing(&message);
        let exchange = self.exchange(&message, session.as_deref(), headers.into_iter().collect());
        let outcome = self.stop.run_until_cancelled(exchange).await.unwrap_or_else(|| Err(closed().into()));
        self.tap.theirs.done(replies(&message));
        outcome.or_else(|fault| self.told(&message, fault))
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<()> {
        let url = &self.client.address().url;
        let headers = with_session(headers.into_iter().collect(), Some(&session));
        // The server may keep its sessions to itself: whatever it says, ours is over.
        let _ = self.client.send(|http| http.delete(url.clone()).headers(headers.clone())).await;
        Ok(())
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<Events> {
        let url = &self.client.address().url;
        let mut headers = with_session(headers.into_iter().collect(), session.as_deref());
        let is_new = last_event.is_none();
        if let Some(id) = last_event.and_then(|id| HeaderValue::from_str(&id).ok()) {
            headers.insert(HeaderName::from_static("last-event-id"), id);
        }
        let build =
            |http: &reqwest::Client| http.get(url.clone()).headers(headers.clone()).header(ACCEPT, "text/event-stream");
        let failed = |text: String| StreamableHttpError::UnexpectedServerResponse(Cow::Owned(text));
        let response = self.stop.run_until_cancelled(self.client.send(build)).await.unwrap_or_else(|| Err(closed()));
        let response = response.map_err(|trouble| failed(format!("{trouble:?}")))?;
        let status = response.status();
        // Without that stream the server can say nothing by itself, which is its choice (405 by the specification).
        if status.is_client_error() || client::media_type(response.headers()) != "text/event-stream" {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        if !status.is_success() {
            return Err(failed(format!("HTTP status {status}")));
        }
        let pause = if is_new { EMPTY_STREAM } else { Duration::ZERO };
        Ok(self.stream(response, None, pause))
    }
}

fn with_session(mut headers: HeaderMap, session: Option<&str>) -> HeaderMap {
    if let Some(id) = session.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(HeaderName::from_static(SESSION), id);
    }
    headers
}

/// Whether an argument stands in a header (SEP-2243) and looks like a whole number that was made a float.
fn rounds(headers: &HeaderMap) -> bool {
    let of_arguments = headers.iter().filter(|(name, _)| name.as_str().starts_with("mcp-param-"));
    of_arguments.filter_map(|(_, value)| value.to_str().ok()).any(|value| {
        let is_float = value.contains(['.', 'e']);
        is_float && value.parse::<f64>().is_ok()
    })
}

/// The error of a JSON-RPC answer; some servers answer with an id of their own when they refuse by status.
fn protocol_error(body: &[u8]) -> Option<ErrorData> {
    match serde_json::from_slice::<ServerJsonRpcMessage>(body) {
        Ok(JsonRpcMessage::Error(error)) => Some(error.error),
        _ => None,
    }
}

fn closed() -> Trouble {
    Trouble::Broken("it was closed".into())
}

fn not_mcp(found: &str) -> Fault {
    Fault::Trouble(Trouble::NotMcp(found.trim().chars().take(100).collect()))
}

fn nothing() -> Fault {
    not_mcp("nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_rounds_an_argument_is_told_from_all_others() {
        for (name, value, found) in [
            ("mcp-param-n", "1.8446744073709552e+19", true),
            ("mcp-param-n", "-0.0", true),
            ("mcp-param-n", "9007199254740993", false),
            ("mcp-param-region", "eu.west", false),
            ("mcp-protocol-version", "1.0", false),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert_eq!(rounds(&headers), found, "{name}: {value}");
        }
    }
}
