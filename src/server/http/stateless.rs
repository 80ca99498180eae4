//! Streamable HTTP at `/mcp`, as of 2026-07-28: each request by itself, saying in its `_meta` who asks and how.
//!
//! Proxies read headers, the service reads the body; what the two say must agree, or each would act on another request. The client
//! that goes away has taken its request back.

use std::sync::Arc;

use base64::Engine;
use http::StatusCode;
use http::header::HeaderMap;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::auth::Who;
use super::body::Accepts;
use super::error::HttpError;
use super::events::{Guard, Reader, answer};
use super::exchange::Exchange;
use super::message::{Id, Kind, Message};
use super::params;
use super::reply::{self, Reply};
use super::site::Site;
use super::stream::Stream;
use super::streamable::VERSION;

/// The first revision without sessions.
pub(super) const REVISION: &str = "2026-07-28";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Methods that this revision has no more.
const REMOVED: [&str; 5] = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// Whether the header names this revision, or a later one. Revisions are dates, which are in order as text.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    headers.get(VERSION).and_then(|version| version.to_str().ok()).is_some_and(|version| version >= REVISION)
}

/// Whether a message is of this revision.
pub(super) fn is_meant(headers: &HeaderMap, message: &Message<'_>) -> bool {
    is_named(headers)
        || message.method == "server/discover"
        || message.meta().is_some_and(|meta| meta.contains_key(META_VERSION))
}

/// Answers one message.
pub(super) async fn post(
    site: &Arc<Site>,
    who: Who,
    headers: &HeaderMap,
    accepts: Accepts,
    message: &Message<'_>,
    text: &str,
) -> Result<Reply, HttpError> {
    let Kind::Request(id) = &message.kind else {
        // A request is taken back by closing its connection; there is nothing else to notify, and no question to answer.
        return Ok(reply::empty(StatusCode::ACCEPTED));
    };
    if REMOVED.contains(&&*message.method) {
        let error = reply::rpc_error(
            Some(&id.text()),
            -32601,
            &format!("{REVISION} has no {}", message.method),
            "http.removed",
        );
        return Ok(reply::bytes(StatusCode::NOT_FOUND, reply::JSON, error));
    }
    agree(headers, message)?;
    let service = site.service_once(&who);
    if message.method == "tools/call" {
        params::agree(&service, headers, message).await?;
    }
    let stream = Arc::new(Stream::new(1));
    let exchange = Exchange::of_one(service, Arc::clone(&stream));
    let guard = Alone { exchange: Arc::clone(&exchange), stream: Arc::clone(&stream), id: id.clone() };
    exchange.expect(id, None, &stream, site.under_way(message))?;
    exchange.send(text).await?;
    let reader = Reader { stream, after: 0, number: None, who, until: CancellationToken::new(), guard };
    answer(reader, accepts, false, status).await
}

/// Checks that headers and body say the same, and that the body says what it must.
fn agree(headers: &HeaderMap, message: &Message<'_>) -> Result<(), HttpError> {
    let mismatch = |reason: String| Err(HttpError::Mismatch { reason });
    let meta = message.meta().unwrap_or_default();
    let version = meta.get(META_VERSION).and_then(|version| version.as_str());
    let missing: Vec<&str> = [
        (META_VERSION, version.is_some()),
        (META_CAPABILITIES, meta.get(META_CAPABILITIES).is_some_and(|capabilities| capabilities.is_object())),
    ]
    .into_iter()
    .filter_map(|(name, there)| (!there).then_some(name))
    .collect();
    if !missing.is_empty() {
        return Err(HttpError::Meta { missing: missing.join(" and ") });
    }
    let version = version.unwrap_or_default();
    match header(headers, VERSION)? {
        Some(named) if named == version => {}
        Some(named) => {
            return mismatch(format!("the header MCP-Protocol-Version is {named:?}, the _meta says {version:?}"));
        }
        None => return mismatch("the header MCP-Protocol-Version is missing".into()),
    }
    match header(headers, "mcp-method")? {
        Some(named) if named == message.method => {}
        Some(named) => {
            return mismatch(format!("the header Mcp-Method is {named:?}, the body says {:?}", message.method));
        }
        None => return mismatch("the header Mcp-Method is missing".into()),
    }
    let key = match &*message.method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(()),
    };
    let Some(name) = message.param(key) else { return Ok(()) };
    match header(headers, "mcp-name")?.map(plain) {
        Some(Some(named)) if named == name => Ok(()),
        Some(named) => {
            mismatch(format!("the header Mcp-Name is {:?}, the body says {name:?}", named.unwrap_or_default()))
        }
        None => mismatch("the header Mcp-Name is missing".into()),
    }
}

/// A header that may stand there once.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, HttpError> {
    let mut all = headers.get_all(name).iter();
    let wrong = |how: &str| HttpError::Mismatch { reason: format!("the header {name} {how}") };
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(wrong("stands there twice"));
    }
    value.to_str().map(Some).map_err(|_| wrong("is not plain text"))
}

/// The value of a header that may be wrapped as `=?base64?...?=`, because headers hold little but ASCII.
pub(super) fn plain(raw: &str) -> Option<String> {
    match raw.strip_prefix("=?base64?").and_then(|inner| inner.strip_suffix("?=")) {
        Some(inner) => String::from_utf8(base64::engine::general_purpose::STANDARD.decode(inner).ok()?).ok(),
        None => Some(raw.to_owned()),
    }
}

/// The status of an answer: some errors have one of their own, for proxies.
fn status(answer: &[u8]) -> StatusCode {
    #[derive(Deserialize)]
    struct Answer {
        error: Option<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: i64,
    }
    match serde_json::from_slice::<Answer>(answer).ok().and_then(|answer| answer.error).map(|error| error.code) {
        Some(-32022..=-32020) => StatusCode::BAD_REQUEST,
        Some(-32601) => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

/// A request by itself: whoever drops it has taken it back.
pub(super) struct Alone {
    pub exchange: Arc<Exchange>,
    pub stream: Arc<Stream>,
    pub id: Id,
}

impl Guard for Alone {}

impl Drop for Alone {
    fn drop(&mut self) {
        if self.stream.is_ended() {
            return self.exchange.end();
        }
        let (exchange, id) = (Arc::clone(&self.exchange), self.id.clone());
        tokio::spawn(async move { exchange.withdraw(&id).await });
    }
}
