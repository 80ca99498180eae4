//! The transport of 2024-11-05, for clients that know no other: one stream at `/sse`, messages to `/messages`.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::auth::Who;
use super::body;
use super::error::HttpError;
use super::events::{Guard, Reader};
use super::exchange::Exchange;
use super::message::{self, Kind, Message};
use super::reply::{self, Reply};
use super::sessions::{Reading, Session};
use super::site::Site;
use super::stream::Stream;

/// Opens the stream; its first event says where messages go.
pub(super) fn open(site: &Arc<Site>, who: Who) -> Result<Reply, HttpError> {
    if site.draining.is_cancelled() {
        return Err(HttpError::Draining);
    }
    let exchange = Exchange::of_one(site.service(&who), Arc::new(Stream::new(0)));
    let stream = Arc::clone(exchange.standing());
    let session = Session::new(who.caller.clone(), "2024-11-05".into(), Arc::clone(&exchange));
    site.sessions.add(&session).inspect_err(|_| exchange.close())?;
    let place = Bytes::from(format!("event: endpoint\ndata: /messages?session_id={}\n\n", session.id));
    let guard = Open { _reading: session.reading(), session, site: Arc::clone(site) };
    let until = CancellationToken::new();
    let rest = Reader { stream, after: 0, number: None, who, until, guard }.reply();
    let (head, rest) = rest.into_parts();
    let rest = rest.into_data_stream().map(|bytes| bytes.unwrap_or_default());
    let (_, body) = reply::events(futures::stream::iter([place]).chain(rest)).into_parts();
    Ok(Reply::from_parts(head, body))
}

/// The stream is the session: it ends with it.
struct Open {
    _reading: Reading,
    session: Arc<Session>,
    site: Arc<Site>,
}

impl Guard for Open {}

impl Drop for Open {
    fn drop(&mut self) {
        self.site.sessions.end(&self.session);
    }
}

/// Takes a message; what answers it comes by the stream.
pub(super) async fn post(site: &Arc<Site>, who: &Who, request: Request<Incoming>) -> Result<Reply, HttpError> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let id = query.split('&').find_map(|part| part.strip_prefix("session_id=")).ok_or(HttpError::NoSession)?;
    let session = site.sessions.find(id, &who.caller)?;
    body::must_be_json(&head.headers)?;
    let (body, _held) = body::read(&head.headers, body, &site.room).await?;
    let text = message::line(body)?;
    let message = Message::read(&text)?;
    if let Kind::Request(id) = &message.kind {
        if site.draining.is_cancelled() {
            return Err(HttpError::Draining);
        }
        let stream = session.exchange.standing();
        session.exchange.expect(id, message.progress_token(), stream, site.under_way(&message))?;
    }
    session.exchange.send(&text).await?;
    Ok(reply::bytes(StatusCode::ACCEPTED, "text/plain", "Accepted"))
}
