//! A request's body, within its bounds; and what the headers say of it and of its answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::BodyExt;
use hyper::body::Body;

use super::error::HttpError;
use super::reply::{EVENTS, JSON};
use super::room::{Held, Room};

/// How long a whole body, or a message of a WebSocket, may take: the largest by default (48 MiB) within it needs a line of 7 Mbit/s.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Reads a body; what it holds of the room for all bodies is to be kept as long as its text.
///
/// # Errors
/// It is too long, takes too long, or broke off; or too many others are as long.
pub(super) async fn read<B>(headers: &HeaderMap, body: B, room: &Room) -> Result<(Vec<u8>, Held), HttpError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = room.limit;
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(HttpError::TooLarge { limit });
    }
    let collected = tokio::time::timeout(PATIENCE, collect(body, room)).await;
    collected.map_err(|_| HttpError::Slow { seconds: PATIENCE.as_secs() })?
}

async fn collect(mut body: impl Body<Data = Bytes> + Unpin, room: &Room) -> Result<(Vec<u8>, Held), HttpError> {
    let (mut bytes, mut held) = (Vec::new(), Held::default());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| HttpError::Json { reason: "it broke off".into() })?;
        let Some(data) = frame.data_ref() else { continue };
        let length = bytes.len() + data.len();
        if length > room.limit {
            return Err(HttpError::TooLarge { limit: room.limit });
        }
        room.hold(&mut held, length)?;
        bytes.extend_from_slice(data);
    }
    Ok((bytes, held))
}

/// # Errors
/// The body is no JSON by its own account. A form of another page could otherwise send one without asking.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), HttpError> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(HttpError::MediaType { found: found.chars().take(60).collect() })
}

/// What a client takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepts {
    pub json: bool,
    pub events: bool,
}

impl Accepts {
    /// # Errors
    /// Neither of the two that there are.
    pub fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let mut said = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        if said.peek().is_none() {
            return Ok(Self { json: true, events: false });
        }
        let text = said.collect::<Vec<_>>().join(",").to_ascii_lowercase();
        let mut accepts = Self { json: false, events: false };
        for range in text.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32)));
            let takes = |exact: &str, all: &str| !refused && (kind == exact || kind == all || kind == "*/*");
            accepts.json |= takes(JSON, "application/*");
            accepts.events |= takes(EVENTS, "text/*");
        }
        if accepts.json || accepts.events {
            return Ok(accepts);
        }
        Err(HttpError::NotAcceptable { found: text.chars().take(60).collect() })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::body::Frame;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_minute() {
        let parts = [b"{\"a\":", b"\"many\"".as_slice(), b"}"];
        let slow = |pause: Duration| {
            let one = move |part: &'static [u8]| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(part)))
            };
            http_body_util::StreamBody::new(futures::StreamExt::then(futures::stream::iter(parts), one))
        };
        let read = async |pause| read(&HeaderMap::new(), std::pin::pin!(slow(pause)), &Room::new(100)).await;
        assert_eq!(read(PATIENCE / 4).await.unwrap_or_else(|error| panic!("{error}")).0, b"{\"a\":\"many\"}");
        let error = read(PATIENCE / 2).await.map(|_| ()).unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (408, "http.slow"));
    }

    #[test]
    fn what_a_client_accepts_is_read() {
        let of = |text: &str| {
            let headers = [(ACCEPT, text.parse().unwrap())].into_iter().collect();
            Accepts::of(&headers).map(|accepts| (accepts.json, accepts.events)).map_err(|error| error.code())
        };
        assert_eq!(of("application/json, text/event-stream"), Ok((true, true)));
        assert_eq!(of("text/event-stream;q=1"), Ok((false, true)));
        assert_eq!(of("*/*;q=0.1, text/event-stream;q=0"), Ok((true, true)));
        assert_eq!(of("Application/*"), Ok((true, false)));
        assert_eq!(of("application/json;q=0.0"), Err("http.not_acceptable"));
        assert_eq!(of("text/html"), Err("http.not_acceptable"));
        assert_eq!(Accepts::of(&HeaderMap::new()).map(|a| (a.json, a.events)), Ok((true, false)));
    }
}
