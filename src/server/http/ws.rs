//! MCP over WebSocket at `/ws`: a message each way in each text frame, subprotocol `mcp`.

use std::net::IpAddr;
use std::sync::Arc;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{Join, ReadHalf, WriteHalf, join, split};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use super::auth::Who;
use super::error::HttpError;
use super::exchange::Exchange;
use super::intake::{Intake, Messages};
use super::message::{self, Kind, Message};
use super::places::Place;
use super::reply::{self, Reply};
use super::site::Site;
use super::stream::Stream;

const PROTOCOL: &str = "mcp";
/// Silence after which a ping shows whether the client is still there, and keeps proxies from closing.
const PING: std::time::Duration = std::time::Duration::from_secs(30);

/// Between two looks whether another message may be read of a client that sends too fast.
const BREATH: std::time::Duration = std::time::Duration::from_millis(50);

/// Why the bridge closes.
const ENDING: (CloseCode, &str) = (CloseCode::Away, "the bridge ends");
const TAKEN_BACK: (CloseCode, &str) = (CloseCode::Policy, "what let this connection in was taken back");
/// How long the last messages, and then the close frame, may take to be sent.
const LAST: std::time::Duration = std::time::Duration::from_secs(1);

type Connection = TokioIo<Upgraded>;
type Socket = WebSocketStream<Join<Intake<ReadHalf<Connection>>, WriteHalf<Connection>>>;

/// Takes the connection over, if it is asked as a WebSocket is (RFC 6455).
///
/// # Errors
/// It is not.
pub(super) fn open(
    site: &Arc<Site>,
    who: Who,
    place: Arc<Place>,
    mut request: Request<Incoming>,
) -> Result<Reply, HttpError> {
    if site.draining.is_cancelled() {
        return Err(HttpError::Draining);
    }
    let headers = request.headers();
    let wrong = |reason| HttpError::Upgrade { reason };
    if !has(headers, UPGRADE.as_str(), "websocket") || !has(headers, CONNECTION.as_str(), "upgrade") {
        return Err(wrong("there is no `Upgrade: websocket`"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(wrong("its version is not 13"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let key = key.ok_or_else(|| HttpError::Message { reason: "there is no Sec-WebSocket-Key".into() })?;
    let accept = derive_accept_key(key.as_bytes());
    let offered = headers.contains_key(SEC_WEBSOCKET_PROTOCOL);
    if offered && !has(headers, SEC_WEBSOCKET_PROTOCOL.as_str(), PROTOCOL) {
        return Err(HttpError::Message { reason: "its subprotocol is not `mcp`".into() });
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(speak(Arc::clone(site), who, place, upgrade));
    let mut reply = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let answered = reply.headers_mut();
    answered.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answered.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        answered.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if offered {
        answered.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(reply)
}

/// Whether a header's list has this word.
fn has(headers: &HeaderMap, name: &str, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// `place`: the connection's, which is not the server's any more once it was taken over. Held to the end.
async fn speak(site: Arc<Site>, who: Who, place: Arc<Place>, upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let limit = site.settings.body;
    let config = WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
    let (reads, writes) = split(TokioIo::new(upgraded));
    let reads = Intake::new(reads, Arc::clone(&site.room));
    let messages = reads.messages();
    let socket = Socket::from_raw_socket(join(reads, writes), Role::Server, Some(config)).await;
    let (mut sink, source) = socket.split();
    let exchange = Exchange::of_one(site.service(&who), Arc::new(Stream::new(0)));
    let (pinged, pings) = mpsc::channel(1);
    let close = tokio::select! {
        close = hear(&site, place.from, &exchange, &messages, source, pinged) => close,
        () = tell(&exchange, &mut sink, pings) => None,
        () = over(&site, &who, &exchange) => Some(TAKEN_BACK),
    };
    exchange.close();
    let close = if site.closing.is_cancelled() { Some(ENDING) } else { close };
    let frame = close.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
    let closing = async {
        // Refused where the client has closed: then the socket has an answer of its own to send.
        let _ = sink.send(Frame::Close(frame)).await;
        // A client that is gone already hears nothing, and need not.
        let _ = sink.close().await;
    };
    let _ = tokio::time::timeout(LAST, closing).await;
}

/// Resolves when the caller may not go on. Where that is because the bridge ends, what is there to tell is told first, and then telling
/// ends by itself.
async fn over(site: &Site, who: &Who, exchange: &Exchange) {
    who.over().await;
    if site.closing.is_cancelled() {
        exchange.end();
        tokio::time::sleep(LAST).await;
    }
}

/// Passes on what the client sends; gives the reason to close, where it is not the client's own.
async fn hear(
    site: &Site,
    from: IpAddr,
    exchange: &Arc<Exchange>,
    messages: &Messages,
    mut source: SplitStream<Socket>,
    pinged: mpsc::Sender<()>,
) -> Option<(CloseCode, &'static str)> {
    loop {
        let text = match source.next().await {
            Some(Ok(Frame::Text(text))) => text,
            Some(Ok(Frame::Binary(_))) => return Some((CloseCode::Unsupported, "messages are text")),
            // The socket has put the answer into its memory. Who does not take such answers is not read any further.
            Some(Ok(Frame::Ping(_))) => match pinged.send(()).await {
                Ok(()) => continue,
                Err(_) => return None,
            },
            Some(Ok(Frame::Pong(_) | Frame::Frame(_))) => continue,
            Some(Err(error)) => return reason(&error),
            Some(Ok(Frame::Close(_))) | None => return None,
        };
        // As long as the text is there.
        let _held = messages.taken();
        // What comes too fast is not read: the client's own buffers fill, and it waits.
        while site.pace.admit(from).is_err() {
            tokio::time::sleep(BREATH).await;
        }
        let mut id = None;
        if let Err(error) = take(site, exchange, text.as_str(), &mut id).await {
            let message = format!("{error}; {}", error.hint());
            exchange.standing().tell(reply::rpc_error(id.as_deref(), error.rpc_code(), &message, error.code()).into());
        }
    }
}

/// Why it is closed, where that is for us to say.
fn reason(error: &Error) -> Option<(CloseCode, &'static str)> {
    match error {
        Error::Capacity(_) => Some((CloseCode::Size, "the message is too large")),
        Error::Utf8(_) => Some((CloseCode::Invalid, "the text is not UTF-8")),
        Error::Protocol(_) => Some((CloseCode::Protocol, "it does not speak WebSocket")),
        Error::Io(error) => match error.get_ref()?.downcast_ref::<HttpError>()? {
            HttpError::Room => Some((CloseCode::Again, "too many long messages are being read")),
            _ => Some((CloseCode::Policy, "the message did not come in time")),
        },
        _ => None,
    }
}

async fn take(site: &Site, exchange: &Exchange, text: &str, id: &mut Option<String>) -> Result<(), HttpError> {
    let text = message::line(text.as_bytes().to_vec())?;
    let message = Message::read(&text)?;
    *id = message.request_id();
    if let Kind::Request(id) = &message.kind {
        if site.draining.is_cancelled() {
            return Err(HttpError::Draining);
        }
        exchange.expect(id, message.progress_token(), exchange.standing(), site.under_way(&message))?;
    }
    exchange.send(&text).await
}

/// Passes on what the client is told, and the socket's own answers to pings, until the conversation ends or the client reads no more.
async fn tell(exchange: &Exchange, sink: &mut SplitSink<Socket, Frame>, mut pings: mpsc::Receiver<()>) {
    let mut after = 0;
    loop {
        let frame = tokio::select! {
            event = exchange.standing().after(after) => {
                let Some(event) = event else { return };
                after = event.number;
                match std::str::from_utf8(&event.text) {
                    Ok(text) => Frame::text(text),
                    Err(_) => continue,
                }
            }
            Some(()) = pings.recv() => match sink.flush().await {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = tokio::time::sleep(PING) => Frame::Ping(Vec::new().into()),
        };
        if sink.send(frame).await.is_err() {
            return;
        }
    }
}
