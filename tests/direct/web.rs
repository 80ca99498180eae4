//! Streamable HTTP under a client of lines: each line is a POST of its own, and what comes on any stream is a line again.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Sender;

use serde_json::Value;

use crate::raw::{Open, Request};

/// A message as a client of its era sends it: one of the newer says in its headers what the body says.
pub fn post(message: &Value, session: Option<&str>) -> Request {
    let post = Request::new("POST", "/mcp").json(message).with("Accept", "application/json, text/event-stream");
    let post = session.iter().fold(post, |post, session| post.session(session));
    let (method, params) = (message["method"].as_str().unwrap_or_default(), &message["params"]);
    let Some(version) = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str() else { return post };
    let post = post.with("Mcp-Protocol-Version", version).with("Mcp-Method", method);
    let name = ["name", "uri", "taskId"].iter().find_map(|key| params[key].as_str());
    name.iter().fold(post, |post, name| post.with("Mcp-Name", name))
}

pub struct Web {
    port: u16,
    lines: Sender<String>,
    written: Vec<u8>,
    session: Option<String>,
    /// Connections of requests of the newer era, which are taken back by closing them.
    open: HashMap<u64, TcpStream>,
}

impl Web {
    /// Lines that come are sent to `lines`.
    pub fn new(port: u16, lines: Sender<String>) -> Self {
        Self { port, lines, written: Vec::new(), session: None, open: HashMap::new() }
    }

    fn send(&mut self, message: &Value) {
        let post = post(message, self.session.as_deref()).with("Connection", "close");
        let lines = self.lines.clone();
        match (message["method"].as_str(), message["id"].as_u64()) {
            (Some("initialize"), _) => {
                let mut answer = post.open(self.port);
                self.session = answer.header("mcp-session-id").map(str::to_owned);
                assert!(self.session.is_some(), "{:?}", answer.headers);
                read(&mut answer, &lines);
            }
            (Some(_), Some(id)) => {
                let stream = post.begin(self.port);
                if self.session.is_none() {
                    self.open.insert(id, stream.try_clone().expect("a connection"));
                }
                std::thread::spawn(move || {
                    // One that was closed meanwhile has no answer.
                    if matches!(stream.peek(&mut [0]), Ok(1)) {
                        read(&mut Open::read(stream), &lines);
                    }
                });
            }
            (Some("notifications/cancelled"), None) if self.session.is_none() => {
                let id = message["params"]["requestId"].as_u64().expect("an id");
                self.open[&id].shutdown(Shutdown::Both).expect("closed");
            }
            (method, _) => {
                assert_eq!(post.open(self.port).status, 202, "{message}");
                if method == Some("notifications/initialized") {
                    let session = self.session.as_deref().expect("a session");
                    let standing = Request::new("GET", "/mcp").session(session).with("Accept", "text/event-stream");
                    let mut standing = standing.open(self.port);
                    assert_eq!(standing.status, 200);
                    std::thread::spawn(move || read(&mut standing, &lines));
                }
            }
        }
    }
}

/// All messages of an answer, to its end.
fn read(answer: &mut Open, lines: &Sender<String>) {
    if let Some(length) = answer.header("content-length") {
        let mut body = vec![0; length.parse().expect("a length")];
        answer.reader.read_exact(&mut body).expect("the body");
        let _ = lines.send(String::from_utf8(body).expect("text"));
        return;
    }
    while let Some(line) = answer.next("data: ") {
        let _ = lines.send(line);
    }
}

impl Write for Web {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let message = serde_json::from_slice(&std::mem::take(&mut self.written))?;
        self.send(&message);
        Ok(())
    }
}
