//! HTTP as bytes: what no library would send can be sent, and what was answered is seen as it came.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::bridge::PATIENCE;

#[derive(Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a refusal, of plain HTTP or of JSON-RPC.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        let code = body["error"]["data"]["code"].as_str().or(body["error"]["code"].as_str());
        code.unwrap_or_else(|| panic!("no code in {body}")).to_owned()
    }

    /// The messages of server-sent events.
    pub fn events(&self) -> Vec<Value> {
        self.body.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
    }
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        let host = ("Host".to_owned(), "127.0.0.1".to_owned());
        Self { method: method.into(), path: path.into(), headers: vec![host], body: Vec::new() }
    }

    /// The same at another path.
    pub fn at(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }

    /// A JSON-RPC request to `/mcp`, as a client of the older era sends it.
    pub fn rpc(id: u64, method: &str, params: Value) -> Self {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Self::new("POST", "/mcp").json(&message).with("Accept", "application/json, text/event-stream")
    }

    /// Sets a header in place of one of this name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.and(name, value)
    }

    /// Adds a header, whatever is there.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    pub fn session(self, id: &str) -> Self {
        self.with("Mcp-Session-Id", id)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string().as_bytes()).with("Content-Type", "application/json")
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let length = body.len().to_string();
        self.with("Content-Length", &length)
    }

    /// The same, its body's empty `arguments` these.
    pub fn written(self, arguments: &str) -> Self {
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        self.body(super::exact::written(&body, arguments).as_bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends it and reads the answer to its end.
    #[track_caller]
    pub fn ask(&self, port: u16) -> Answer {
        let mut open = self.clone().with("Connection", "close").open(port);
        let mut body = Vec::new();
        let _ = open.reader.read_to_end(&mut body);
        open.finish(&body)
    }

    /// Sends it and reads the head of the answer.
    #[track_caller]
    pub fn open(&self, port: u16) -> Open {
        Open::read(self.begin(port))
    }

    /// Sends it.
    pub fn begin(&self, port: u16) -> TcpStream {
        let mut stream = connect(port);
        // A refusal may come before everything was sent.
        let _ = stream.write_all(&self.bytes());
        stream
    }
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Bytes as they are; everything that was answered until the connection ended.
pub fn send(port: u16, bytes: &[u8]) -> String {
    let mut stream = connect(port);
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// An answer whose body is still coming.
pub struct Open {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub reader: BufReader<TcpStream>,
}

impl Open {
    #[track_caller]
    pub fn read(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("a status");
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Self { status, headers, reader }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The next line of events that begins so, without that; `None` at the end.
    pub fn next(&mut self, begins: &str) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.reader.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came, and no end"),
                Err(_) => return None,
            }
            // The last chunk; the connection may go on.
            if line == "0\r\n" {
                return None;
            }
            if let Some(rest) = line.trim_end().strip_prefix(begins) {
                return Some(rest.to_owned());
            }
        }
    }

    /// The next message of the stream.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        serde_json::from_str(&self.next("data: ").expect("an event")).expect("JSON")
    }

    fn finish(self, body: &[u8]) -> Answer {
        let chunked = self.header("transfer-encoding") == Some("chunked");
        let body = if chunked { unchunked(body) } else { body.to_vec() };
        Answer { status: self.status, headers: self.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).expect("text"), 16).expect("a size");
        let end = (at + 2 + size).min(bytes.len());
        body.extend_from_slice(&bytes[at + 2..end]);
        bytes = bytes.get(end + 2..).unwrap_or_default();
    }
    body
}

/// What `initialize` says, of this revision.
pub fn hello(version: &str) -> Value {
    json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})
}
