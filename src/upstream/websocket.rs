//! MCP over a WebSocket: one JSON message in each message of the socket, with the subprotocol `mcp` where the server knows it.

use std::io;
use std::sync::Arc;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};
use rmcp::model::ServerJsonRpcMessage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config;
use super::error::Proof;
use super::http::{Address, Client, tls_config};
use super::lifeline::{LastWords, Lifeline};
use super::outgoing::{Outgoing, queue};
use super::queued::QueuedTransport;
use super::tap::Tap;
use super::trouble::{Trouble, said};
use super::{MAX_LINE, READ_AHEAD};

/// What carries the frames: a connection over a network, or through a Unix socket.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

type Socket = WebSocketStream<MaybeTlsStream<Box<dyn Carrier>>>;

/// Connects. The handshake of MCP is the caller's, and the limit of time.
pub(super) async fn open(
    client: Client,
    files: &config::Access,
    tap: Arc<Tap>,
    words: LastWords,
    tracker: &TaskTracker,
) -> Result<(QueuedTransport, Lifeline), Trouble> {
    let proof = client.access().headers().await?;
    let socket = match connect(&client, files, &proof).await {
        Err(denied @ Trouble::Denied { status: 401, .. }) => match client.access().renewed(&proof).await? {
            Some(fresh) => connect(&client, files, &fresh).await?,
            None => return Err(denied),
        },
        other => other?,
    };
    let (sink, stream) = socket.split();
    let (lifeline, ended) = Lifeline::new(words);
    let (messages, incoming) = mpsc::channel(READ_AHEAD);
    let (outgoing, waiting) = queue();
    let stop = lifeline.stop.clone();
    tracker.spawn(write(sink, waiting, stop.clone()));
    tracker.spawn(read(stream, tap.clone(), messages, stop.clone(), ended));
    Ok((QueuedTransport { outgoing, incoming, tap, stop }, lifeline))
}

async fn connect(client: &Client, files: &config::Access, proof: &HeaderMap) -> Result<Socket, Trouble> {
    match shake(client, files, proof, true).await {
        // A server that knows no subprotocol is asked again without one.
        Err(tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol,
        ))) => shake(client, files, proof, false).await,
        other => other,
    }
    .map_err(|error| trouble(error, client.access().proof(proof)))
}

/// The connection below the WebSocket.
async fn carrier(address: &Address) -> io::Result<Box<dyn Carrier>> {
    #[cfg(unix)]
    if let Some(socket) = &address.socket {
        return Ok(Box::new(tokio::net::UnixStream::connect(socket).await?));
    }
    let host = address.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, address.url.port_or_known_default().unwrap_or(80))).await?;
    // No delay for small messages: each is waited for.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

async fn shake(
    client: &Client,
    files: &config::Access,
    proof: &HeaderMap,
    subprotocol: bool,
) -> Result<Socket, tungstenite::Error> {
    let address = client.address();
    // `http` and `https` are what the address was made of; the library wants the names of the WebSocket again.
    let url = format!("ws{}", address.url.as_str().trim_start_matches("http"));
    let mut request = url.into_client_request()?;
    request.headers_mut().extend(proof.clone());
    if subprotocol {
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mcp"));
    }
    let config = WebSocketConfig::default().max_message_size(Some(MAX_LINE)).max_frame_size(Some(MAX_LINE));
    let connector = match address.url.scheme() {
        "https" => Some(tls_config(files).map_err(io::Error::other)?),
        _ => None,
    };
    let stream = carrier(address).await?;
    let (socket, _) = client_async_tls_with_config(request, stream, Some(config), connector).await?;
    Ok(socket)
}

/// What a failed handshake of the socket means. Its words hold no address.
fn trouble(error: tungstenite::Error, proof: Proof) -> Trouble {
    match error {
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            match (status.as_u16(), text(http::header::WWW_AUTHENTICATE)) {
                (403, None) => return Trouble::Denied { status: 403, challenge: said(&body), proof },
                (status @ (401 | 403), challenge) => return Trouble::Denied { status, challenge, proof },
                _ => {}
            }
            Trouble::status(status.as_u16(), &body, text(http::header::RETRY_AFTER))
        }
        tungstenite::Error::Url(error) => Trouble::Unusable(error.to_string()),
        tungstenite::Error::Protocol(error) => Trouble::NotMcp(error.to_string()),
        other => Trouble::Unreachable(other.to_string()),
    }
}

/// Reads messages until the socket ends, nobody takes them any more, or `stop` is asked.
async fn read(
    mut stream: SplitStream<Socket>,
    tap: Arc<Tap>,
    messages: mpsc::Sender<ServerJsonRpcMessage>,
    stop: CancellationToken,
    ended: watch::Sender<Option<String>>,
) {
    let reading = async {
        loop {
            let bytes = match stream.next().await {
                Some(Ok(Message::Text(text))) => bytes::Bytes::from(text),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Close(frame))) => return closed(frame.as_ref()),
                None => return closed(None),
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(tungstenite::Error::Capacity(_))) => {
                    return format!("the server sent a message of more than {MAX_LINE} bytes");
                }
                Some(Err(error)) => return error.to_string(),
            };
            if let Some(message) = tap.incoming(&bytes)
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

/// With the code and the reason that the server gave (RFC 6455, 7.1.5 and 7.1.6).
fn closed(frame: Option<&CloseFrame>) -> String {
    match frame {
        None => "the server closed it".into(),
        Some(frame) if frame.reason.is_empty() => format!("the server closed it with code {}", u16::from(frame.code)),
        Some(frame) => format!("the server closed it with code {}: {}", u16::from(frame.code), frame.reason.as_str()),
    }
}

/// Writes messages in the order they come, until `stop`; then says goodbye as the protocol wants it.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut waiting: mpsc::UnboundedReceiver<Outgoing>,
    stop: CancellationToken,
) {
    let writing = async {
        while let Some(Outgoing { bytes, written, place: _held }) = waiting.recv().await {
            // JSON as serde_json writes it is UTF-8.
            let text = String::from_utf8(bytes).unwrap_or_default();
            let _ = written.send(sink.send(Message::text(text)).await.map_err(io::Error::other));
        }
    };
    stop.run_until_cancelled(writing).await;
    let _ = tokio::time::timeout(super::stdio::FIRM, sink.close()).await;
}
