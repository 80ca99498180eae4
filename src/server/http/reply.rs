//! Answers of plain HTTP: bodies, JSON, and refusals in the shape that the place asked for.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use super::error::HttpError;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;
pub(super) type Reply = Response<Body>;

pub(super) const JSON: &str = "application/json";
pub(super) const EVENTS: &str = "text/event-stream";

/// A body that is there already.
pub(super) fn bytes(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    bytes(status, JSON, value.to_string())
}

pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Empty::new().boxed_unsync());
    *reply.status_mut() = status;
    reply
}

/// Server-sent events. Proxies are asked not to collect them.
pub(super) fn events(stream: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
    use futures::StreamExt;
    let frames = stream.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let mut reply = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

/// Every answer is for who asked, and as things are now: no cache keeps it. It is what its type says: no browser guesses another.
pub(super) fn for_who_asked(reply: &mut Reply) {
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A refusal for whoever speaks plain HTTP: `{"error": {"code", "message", "hint"}}`.
pub(super) fn refuse(error: &HttpError) -> Reply {
    refuse_with(error, &json!({"error": {"code": error.code(), "message": error.to_string(), "hint": error.hint()}}))
}

/// The same with another body.
pub(super) fn refuse_with(error: &HttpError, body: &Value) -> Reply {
    with_headers(error, json(error.status(), body))
}

/// The same for whoever speaks JSON-RPC: an error with the id of the request, where one is known.
pub(super) fn refuse_rpc(error: &HttpError, id: Option<&str>) -> Reply {
    let body = rpc_error(id, error.rpc_code(), &format!("{error}; {}", error.hint()), error.code());
    with_headers(error, bytes(error.status(), JSON, body))
}

/// A JSON-RPC error as text; `id` is JSON itself.
pub(super) fn rpc_error(id: Option<&str>, code: i64, message: &str, name: &str) -> String {
    let error = json!({"code": code, "message": message, "data": {"code": name}});
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.unwrap_or("null"))
}

fn with_headers(error: &HttpError, mut reply: Reply) -> Reply {
    for (name, value) in error.headers() {
        // What cannot be a header's value is left out: the body says it too.
        if let Ok(value) = HeaderValue::from_str(&value) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}
