//! MCP over HTTP with as little as there can be: a client for one connection, and [`echo`](super::echo) as a server of its own.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::echo;

/// Serves on a port of 127.0.0.1: `COMMAND PORT`.
pub const COMMAND: &str = "http-echo-server";
/// A server that does not answer a call for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
const VERSION: &str = "2025-11-25";

/// One connection that stays open, in a session where the server has them.
pub struct Connection {
    stream: BufReader<TcpStream>,
    session: Option<String>,
}

impl Connection {
    /// Connects as soon as the server listens, and shakes hands.
    pub fn open(port: u16) -> Result<Self> {
        let until = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = Self { stream: BufReader::new(stream), session: None };
        let client = json!({"name": "load", "version": "1"});
        let params = json!({"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client});
        connection.post(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string())?;
        connection.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string())?;
        Ok(connection)
    }

    /// Calls a tool with `n`, and sees that `n` comes back.
    pub fn call(&mut self, tool: &str, n: usize) -> Result<()> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"n":{n}}}}}}}"#,
            n + 1
        );
        let answer = self.post(&body)?;
        let is_it = answer.contains("structuredContent") && answer.contains(&n.to_string());
        if is_it { Ok(()) } else { Err(Error::new(ErrorKind::InvalidData, format!("{tool} answered {answer:?}"))) }
    }

    fn post(&mut self, body: &str) -> Result<String> {
        let session = self.session.as_ref().map_or(String::new(), |id| format!("Mcp-Session-Id: {id}\r\n"));
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: {VERSION}\r\n{session}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (head, body) = message(&mut self.stream)?;
        if !head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
            return Err(Error::new(ErrorKind::InvalidData, format!("{head}{body}")));
        }
        if let Some(id) = header(&head, "mcp-session-id") {
            self.session = Some(id.to_owned());
        }
        Ok(body)
    }
}

/// Reads one request or answer: its first line with the headers, and its body.
fn message(stream: &mut impl BufRead) -> Result<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = Vec::new();
    if header(&head, "transfer-encoding").is_some_and(|kind| kind.eq_ignore_ascii_case("chunked")) {
        while chunk(stream, &mut body)? {}
    } else {
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        stream.take(length).read_to_end(&mut body)?;
    }
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}

/// Reads one chunk to the end of `body`; the last one is empty.
fn chunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<bool> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let size = u64::from_str_radix(line.trim(), 16).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    stream.take(size).read_to_end(body)?;
    line.clear();
    stream.read_line(&mut line)?;
    Ok(size > 0)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Serves `/mcp` until it is killed: a thread a connection, and nothing between the socket and the answer.
pub fn serve() {
    let port = std::env::args().nth(2).and_then(|port| port.parse().ok()).expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
}

fn answer(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (_, body) = message(&mut stream)?;
        let asked: Value = serde_json::from_str(&body)?;
        let answer = match asked.get("id") {
            None => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
            Some(id) => {
                let body = json!({"jsonrpc": "2.0", "id": id, "result": echo::result(&asked)}).to_string();
                let kind = "Content-Type: application/json";
                format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}
