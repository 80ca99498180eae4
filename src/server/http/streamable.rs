//! Streamable HTTP at `/mcp`, as of 2025-03-26 to 2025-11-25: sessions, a stream for each request, a standing one, and coming back to
//! a stream that broke. What is of 2026-07-28 is handed to [`super::stateless`].

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::auth::Who;
use super::body::{self, Accepts};
use super::error::HttpError;
use super::events::{Guard, Reader, answer};
use super::exchange::Exchange;
use super::message::{self, Id, Kind, Message};
use super::reply::{self, Reply};
use super::sessions::{Reading, Session};
use super::site::Site;
use super::stateless;
use super::stream::{Ready, Stream};

pub(super) const SESSION: &str = "mcp-session-id";
pub(super) const VERSION: &str = "mcp-protocol-version";
/// Revisions with sessions.
const KNOWN: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The only revision whose clients may send several messages in one body.
const BATCHES: &str = "2025-03-26";

/// A message or a batch. A refusal names the request it is about.
pub(super) async fn post(site: &Arc<Site>, who: Who, from: IpAddr, request: Request<Incoming>) -> Reply {
    let mut id = None;
    // Apart: a connection would have room for this with each of its requests, and move it.
    let reply = Box::pin(posted(site, who, from, request, &mut id)).await;
    reply.unwrap_or_else(|error| reply::refuse_rpc(&error, id.as_deref()))
}

async fn posted(
    site: &Arc<Site>,
    who: Who,
    from: IpAddr,
    request: Request<Incoming>,
    id: &mut Option<String>,
) -> Result<Reply, HttpError> {
    let (head, body) = request.into_parts();
    body::must_be_json(&head.headers)?;
    let accepts = Accepts::of(&head.headers)?;
    let (body, _held) = body::read(&head.headers, body, &site.room).await?;
    let text = message::line(body)?;
    let (texts, batch) = message::split(&text)?;
    let messages = texts.iter().map(|text| Message::read(text)).collect::<Result<Vec<_>, _>>()?;
    // The first has been counted.
    messages.iter().skip(1).try_for_each(|_| site.pace.admit(from))?;
    let requests = messages.iter().filter(|message| matches!(message.kind, Kind::Request(_))).count();
    if let [message] = &messages[..] {
        *id = message.request_id();
    }
    if requests > 0 && site.draining.is_cancelled() {
        return Err(HttpError::Draining);
    }
    if let [message] = &messages[..]
        && !batch
        && stateless::is_meant(&head.headers, message)
    {
        return Box::pin(stateless::post(site, who, &head.headers, accepts, message, &text)).await;
    }
    if let [Message { kind: Kind::Request(id), method, .. }] = &messages[..]
        && method == "initialize"
        && !batch
    {
        return Box::pin(initialize(site, &who, id, &text, accepts)).await;
    }
    let session = session(site, &who, &head.headers)?;
    if batch && (session.version != BATCHES || messages.iter().any(|message| message.method == "initialize")) {
        return Err(HttpError::Message { reason: format!("batches are of {BATCHES}, and hold no initialize") });
    }
    if requests == 0 {
        for text in texts {
            session.exchange.send(text).await?;
        }
        return Ok(reply::empty(StatusCode::ACCEPTED));
    }
    let stream = Arc::new(Stream::new(requests));
    for (text, message) in texts.iter().zip(&messages) {
        if let Kind::Request(id) = &message.kind {
            let (token, busy) = (message.progress_token(), site.under_way(message));
            match session.exchange.expect(id, token, &stream, busy) {
                Err(error) if batch => {
                    let text = reply::rpc_error(Some(&id.text()), error.rpc_code(), &error.to_string(), error.code());
                    stream.answer(text.into());
                    continue;
                }
                expected => expected?,
            }
        }
        session.exchange.send(text).await?;
    }
    let number = session.keep(&stream);
    let guard = OfSession { number, reading: session.reading(), session };
    let until = CancellationToken::new();
    let reader = Reader { stream, after: 0, number: Some(number), who, until, guard };
    answer(reader, accepts, batch, |_| StatusCode::OK).await
}

/// Opens a session, if the service agrees to. An id that the client chose itself means nothing.
async fn initialize(site: &Arc<Site>, who: &Who, id: &Id, text: &str, accepts: Accepts) -> Result<Reply, HttpError> {
    let mut opening = Opening(Some(Exchange::of_many(site.service(who))));
    let Some(exchange) = &opening.0 else { return Err(HttpError::Ended) };
    let stream = Arc::new(Stream::new(1));
    exchange.expect(id, None, &stream, Some(site.busy.token()))?;
    exchange.send(text).await?;
    let Ready::Answers(answers) = stream.ready().await else { return Err(HttpError::Ended) };
    let agreed = answers.first().and_then(|answer| agreed_version(answer));
    let (who, until) = (who.clone(), CancellationToken::new());
    let caller = who.caller.clone();
    let reader = Reader { stream, after: 0, number: None, who, until, guard: () };
    let mut reply = answer(reader, accepts, false, |_| StatusCode::OK).await?;
    if let Some(version) = agreed
        && let Some(exchange) = opening.0.take()
    {
        let session = Session::new(caller, version, Arc::clone(&exchange));
        site.sessions.add(&session).inspect_err(|_| exchange.close())?;
        if let Ok(value) = HeaderValue::from_str(&session.id) {
            reply.headers_mut().insert(SESSION, value);
        }
    }
    Ok(reply)
}

/// A conversation that is no session yet, and ends with the request that began it.
struct Opening(Option<Arc<Exchange>>);

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(exchange) = &self.0 {
            exchange.close();
        }
    }
}

fn agreed_version(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        result: Agreed,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Agreed {
        protocol_version: String,
    }
    serde_json::from_slice::<Answer>(answer).ok().map(|answer| answer.result.protocol_version)
}

/// The session that a request names, if it is this caller's and the request's version is one of those with sessions.
fn session(site: &Site, who: &Who, headers: &HeaderMap) -> Result<Arc<Session>, HttpError> {
    if let Some(version) = headers.get(VERSION) {
        let version = String::from_utf8_lossy(version.as_bytes());
        if !KNOWN.contains(&&*version) {
            let known = format!("{}, {}", KNOWN.join(", "), stateless::REVISION);
            return Err(HttpError::Version { found: version.chars().take(40).collect(), known });
        }
    }
    let id = headers.get(SESSION).ok_or(HttpError::SessionWanted)?;
    site.sessions.find(id.to_str().map_err(|_| HttpError::NoSession)?, &who.caller)
}

/// The standing stream, or the rest of one that broke (`Last-Event-ID`).
pub(super) fn get(site: &Arc<Site>, who: Who, headers: &HeaderMap) -> Result<Reply, HttpError> {
    if stateless::is_named(headers) {
        return Err(HttpError::Method { method: "GET".into(), path: "/mcp", allow: "POST" });
    }
    if !Accepts::of(headers)?.events {
        return Err(HttpError::NotAcceptable { found: "application/json".into() });
    }
    let session = session(site, &who, headers)?;
    let named = headers.get("last-event-id").and_then(|id| last_event(id.to_str().ok()?));
    let found = named.and_then(|(number, event)| Some((number, event, session.stream(number)?)));
    let (number, after, stream) = found.unwrap_or_else(|| {
        let standing = Arc::clone(session.exchange.standing());
        (0, standing.read(), standing)
    });
    let until = if number == 0 { session.takes_over() } else { CancellationToken::new() };
    let guard = OfSession { number, reading: session.reading(), session };
    Ok(Reader { stream, after, number: Some(number), who, until, guard }.reply())
}

fn last_event(id: &str) -> Option<(u64, u64)> {
    let (stream, event) = id.split_once('-')?;
    Some((stream.parse().ok()?, event.parse().ok()?))
}

/// Ends a session.
pub(super) fn delete(site: &Arc<Site>, who: &Who, headers: &HeaderMap) -> Result<Reply, HttpError> {
    if stateless::is_named(headers) {
        return Err(HttpError::Method { method: "DELETE".into(), path: "/mcp", allow: "POST" });
    }
    let session = session(site, who, headers)?;
    site.sessions.end(&session);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// A reader of a session's stream. The stream outlives it: a client that lost its connection has not taken its request back.
struct OfSession {
    number: u64,
    #[expect(dead_code, reason = "held: the session is in use")]
    reading: Reading,
    session: Arc<Session>,
}

impl Guard for OfSession {
    fn done(&mut self) {
        self.session.forget(self.number);
    }
}
