//! An HTTP server of raw bytes: each test says what it answers, and reads what it was asked.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mcp_bridge::upstream::config::{Access, RemoteKind, Secret, ServerConfig, Transport};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// One request as it came. Names of headers are in small letters.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// `null` when there was none.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Request {
    /// The method of the JSON-RPC message, or that of HTTP where there is none.
    pub fn asks(&self) -> &str {
        self.body["method"].as_str().unwrap_or(&self.method)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub enum Reply {
    Whole {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// A stream of events: the first, a second one when it is time, and no end.
    Later {
        first: String,
        when: Arc<tokio::sync::Notify>,
        then: String,
    },
    /// No answer, as long as the test lasts.
    Never,
}

pub fn reply(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Whole { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
}

/// An answer as JSON, to the request's own id.
pub fn result(request: &Request, result: Value) -> Reply {
    let body = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result});
    reply(200, "application/json", body.to_string())
}

/// A stream of one event and its end.
pub fn event(data: &str) -> Reply {
    reply(200, "text/event-stream", format!("data: {data}\n\n"))
}

pub fn status(status: u16) -> Reply {
    Reply::Whole { status, headers: Vec::new(), body: Vec::new() }
}

impl Reply {
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// What a plain server of the older era says to everything but calls: no session, and one tool `t`.
pub fn plain(request: &Request) -> Reply {
    match request.asks() {
        "initialize" => result(
            request,
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}),
        ),
        "tools/list" => result(request, json!({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]})),
        "tools/call" => result(request, json!({"content": [{"type": "text", "text": "called"}]})),
        "GET" => status(405),
        "DELETE" => status(200),
        asked if asked.starts_with("notifications/") => status(202),
        _ => status(400),
    }
}

pub struct HttpStub {
    pub url: String,
    served: Served,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Served {
    log: Arc<Mutex<Vec<Request>>>,
    handler: Arc<dyn Fn(&Request) -> Reply + Send + Sync>,
}

impl HttpStub {
    pub async fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let served = Served { log: Arc::default(), handler: Arc::new(handler) };
        let each = served.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, each.clone()));
            }
        });
        Self { url, served, task }
    }

    /// The same behind a Unix socket.
    pub fn at(socket: &Path, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::UnixListener::bind(socket).expect("a socket");
        let served = Served { log: Arc::default(), handler: Arc::new(handler) };
        let each = served.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, each.clone()));
            }
        });
        Self { url: format!("unix://{}", socket.display()), served, task }
    }

    /// Everything it was asked so far.
    pub fn log(&self) -> Vec<Request> {
        self.served.log.lock().expect("the log").clone()
    }

    /// What it was asked of one method, of JSON-RPC or HTTP.
    pub fn asked(&self, method: &str) -> Vec<Request> {
        self.log().into_iter().filter(|request| request.asks() == method).collect()
    }

    pub fn config(&self, kind: RemoteKind) -> ServerConfig {
        remote(&self.url, kind, &[])
    }
}

impl Drop for HttpStub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The entry `r` of a remote server.
pub fn remote(url: &str, kind: RemoteKind, headers: &[(&str, &str)]) -> ServerConfig {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    ServerConfig {
        name: "r".into(),
        transport: Transport::Remote { url: url.to_owned(), headers, kind, access: Access::default() },
        call_timeout: None,
        description: None,
        era: Default::default(),
        expanded: Vec::new(),
        survival: Default::default(),
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, served: Served) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        served.log.lock().expect("the log").push(request.clone());
        match (served.handler)(&request) {
            Reply::Whole { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                let sent = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                if sent.is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Later { first, when, then } => {
                let head = "HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n";
                if stream.write_all(format!("{head}data: {first}\n\n").as_bytes()).await.is_err() {
                    return;
                }
                when.notified().await;
                let _ = stream.write_all(format!("data: {then}\n\n").as_bytes()).await;
                std::future::pending().await
            }
            Reply::Never => std::future::pending().await,
        }
    }
}

/// The next request; `None` at the end of the connection.
pub async fn read(stream: &mut (impl AsyncBufReadExt + AsyncRead + Unpin)) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let text = String::from_utf8_lossy(&body).into_owned();
    Some(Request { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default(), text })
}
