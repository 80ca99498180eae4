//! The four transports as a hostile server sees them: bytes, of which it knows exactly where a message begins and ends.

use std::io;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http_stub::{Request, read};
use crate::peer::{Act, State, Wire, plain};

/// Where the messages of one connection, or of one answer, go.
#[derive(Clone)]
pub struct Out {
    wire: Wire,
    stream: Arc<Mutex<OwnedWriteHalf>>,
}

/// Bytes of a flood written at a time.
const WAVE: usize = 64 * 1024;

impl Out {
    fn new(wire: Wire, stream: OwnedWriteHalf) -> Self {
        Self { wire, stream: Arc::new(Mutex::new(stream)) }
    }

    async fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.stream.lock().await.write_all(bytes).await
    }

    async fn end(&self) -> io::Result<()> {
        self.stream.lock().await.shutdown().await
    }

    /// Does what is to be done about a request. `Err`: the connection is at its end.
    async fn perform(&self, act: Act, request: &Request, state: &State) -> io::Result<()> {
        let id = request.body["id"].to_string();
        match act {
            Act::Silence | Act::Deaf => Ok(()),
            Act::Plain => match plain(request) {
                Some(answer) => self.bytes(&framed(self.wire, answer.as_bytes())).await,
                None => Ok(()),
            },
            Act::Say(messages) => {
                for message in messages {
                    self.bytes(&framed(self.wire, &filled(&message, &id, 1))).await?;
                }
                Ok(())
            }
            Act::Half => {
                self.half(request).await?;
                self.end().await?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Act::Stuck => self.half(request).await,
            Act::Die => {
                self.end().await?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Act::Bytes(bytes) => {
                self.bytes(&bytes).await?;
                self.end().await?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Act::Flood(message) => {
                let mut number = 0;
                while !state.is_mended() {
                    let mut wave = Vec::new();
                    while wave.len() < WAVE {
                        number += 1;
                        wave.extend(framed(self.wire, &filled(&message, &id, number)));
                    }
                    self.bytes(&wave).await?;
                }
                Ok(())
            }
        }
    }

    async fn half(&self, request: &Request) -> io::Result<()> {
        let whole = framed(self.wire, plain(request).unwrap_or_default().as_bytes());
        self.bytes(&whole[..whole.len() / 2]).await
    }
}

/// A message with the request's id, its own number, and a byte that is not UTF-8 where it says so.
fn filled(message: &str, id: &str, number: u64) -> Vec<u8> {
    let text = message.replace("$ID", id).replace("$N", &number.to_string());
    text.split("$BYTE").map(str::as_bytes).collect::<Vec<_>>().join(&0xff)
}

/// A message as it stands on the wire. Over HTTP: as an event.
pub fn framed(wire: Wire, message: &[u8]) -> Vec<u8> {
    match wire {
        Wire::Stdio => [message, b"\n"].concat(),
        Wire::Http | Wire::Sse => [b"data: ", message, b"\n\n"].concat(),
        Wire::WebSocket => {
            // RFC 6455, 5.2: final, text, not masked.
            let length = message.len();
            let head = match length {
                0..126 => vec![0x81, length as u8],
                126..0x1_0000 => [&[0x81, 126][..], &(length as u16).to_be_bytes()].concat(),
                _ => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
            };
            [&head, message].concat()
        }
    }
}

/// Serves one connection until it ends, on whichever side.
pub async fn serve(wire: Wire, stream: TcpStream, state: &State) {
    let (reading, writing) = stream.into_split();
    let (mut reading, out) = (BufReader::new(reading), Out::new(wire, writing));
    match wire {
        Wire::Stdio => conversation(Lines(&mut reading), &out, state).await,
        Wire::WebSocket => {
            let Some(request) = read(&mut reading).await else { return };
            let act = state.act(&request);
            if !matches!(act, Act::Plain) {
                let _ = out.perform(act, &request, state).await;
            } else {
                let key = derive_accept_key(request.header("sec-websocket-key").as_bytes());
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                     sec-websocket-accept: {key}\r\nsec-websocket-protocol: mcp\r\n\r\n"
                );
                if out.bytes(head.as_bytes()).await.is_ok() {
                    conversation(Frames(&mut reading), &out, state).await;
                }
            }
        }
        Wire::Http | Wire::Sse => {
            while let Some(request) = read(&mut reading).await {
                let act = state.act(&request);
                let served = match wire {
                    Wire::Sse => with_sse(act, &request, &out, state).await,
                    _ => with_http(act, &request, &out, state).await,
                };
                match served.map_err(|error| error.kind()) {
                    Ok(()) => {}
                    Err(io::ErrorKind::TimedOut) => {
                        state.held.send_modify(|held| *held += 1);
                        let _ = tokio::io::copy(&mut reading, &mut tokio::io::sink()).await;
                        return state.held.send_modify(|held| *held -= 1);
                    }
                    Err(_) => break,
                }
            }
        }
    }
    // The end of the other side is waited for: only then the bridge has let go.
    let _ = tokio::io::copy(&mut reading, &mut tokio::io::sink()).await;
}

/// One message after another, each answered before the next is read.
async fn conversation(mut messages: impl Messages, out: &Out, state: &State) {
    while let Some(text) = messages.next().await {
        let Ok(body) = serde_json::from_str(&text) else { return };
        let request = said(body, text);
        if out.perform(state.act(&request), &request, state).await.is_err() {
            return;
        }
    }
}

fn said(body: Value, text: String) -> Request {
    Request { method: "MESSAGE".into(), path: String::new(), headers: Default::default(), body, text }
}

trait Messages {
    async fn next(&mut self) -> Option<String>;
}

struct Lines<'a>(&'a mut BufReader<OwnedReadHalf>);

impl Messages for Lines<'_> {
    async fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        Some(line)
    }
}

struct Frames<'a>(&'a mut BufReader<OwnedReadHalf>);

impl Messages for Frames<'_> {
    async fn next(&mut self) -> Option<String> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).await.ok()?;
            let length = match head[1] & 0x7f {
                126 => u64::from(self.0.read_u16().await.ok()?),
                127 => self.0.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut mask = [0; 4];
            self.0.read_exact(&mut mask).await.ok()?;
            let mut body = vec![0; usize::try_from(length).ok()?];
            self.0.read_exact(&mut body).await.ok()?;
            body.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            match head[0] & 0x0f {
                1 => return String::from_utf8(body).ok(),
                8 => return None,
                _ => {}
            }
        }
    }
}

/// An answer of Streamable HTTP. `Err`: the connection is at its end.
async fn with_http(act: Act, request: &Request, out: &Out, state: &State) -> io::Result<()> {
    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    match act {
        // A connection on which nothing comes is read on only to see its end.
        Act::Silence | Act::Deaf => Err(io::ErrorKind::TimedOut.into()),
        Act::Die | Act::Bytes(_) => out.perform(act, request, state).await,
        Act::Plain => {
            let answer = match (request.method.as_str(), plain(request)) {
                (_, Some(answer)) => format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                ),
                ("POST", None) => "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".into(),
                ("DELETE", None) => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into(),
                _ => "HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n".into(),
            };
            out.bytes(answer.as_bytes()).await
        }
        Act::Say(messages) if messages.len() == 1 => {
            let answer = filled(&messages[0], &request.body["id"].to_string(), 1);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
            out.bytes(&[format!("{head} {}\r\n\r\n", answer.len()).as_bytes(), &answer].concat()).await
        }
        Act::Say(_) | Act::Half | Act::Stuck | Act::Flood(_) => {
            out.bytes(STREAM).await?;
            let is_stuck = matches!(act, Act::Stuck);
            out.perform(act, request, state).await?;
            if !is_stuck {
                out.end().await?;
            }
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// HTTP with SSE: a stream of events, whose first names where messages go. `Err`: the connection is at its end.
async fn with_sse(act: Act, request: &Request, out: &Out, state: &State) -> io::Result<()> {
    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    if request.method == "GET" {
        if !matches!(act, Act::Plain) {
            return with_http(act, request, out, state).await;
        }
        let number = state.number();
        state.streams.lock().expect("the streams").insert(number, out.clone());
        out.bytes(STREAM).await?;
        out.bytes(format!("event: endpoint\ndata: /messages?{number}\n\n").as_bytes()).await?;
        return Err(io::ErrorKind::TimedOut.into());
    }
    match act {
        Act::Bytes(_) => return out.perform(act, request, state).await,
        Act::Deaf => return Err(io::ErrorKind::TimedOut.into()),
        _ => {}
    }
    let number = request.path.split_once('?').and_then(|(_, number)| number.parse().ok());
    let stream = number.and_then(|number: usize| state.streams.lock().expect("the streams").get(&number).cloned());
    out.bytes(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await?;
    match stream {
        Some(stream) => stream.perform(act, request, state).await,
        None => Ok(()),
    }
}
