//! Clients of both eras over both transports, as one: a request, its answer, and what is asked meanwhile.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use crate::eras::Era;
use crate::raw::{Open, Request};
use crate::support::{Client, Home, PATIENCE, pump, repo};
use crate::web;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    Stdio,
    Http,
}

impl Transport {
    pub const BOTH: [Self; 2] = [Self::Stdio, Self::Http];

    fn word(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
        }
    }
}

/// A process that is gone with the value.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A home with this script's server of this era over this transport, under a name; over HTTP the server lives as long as the second
/// value.
pub fn with_server(home: Home, name: &str, script: &str, era: Era, transport: Transport) -> (Home, Option<Running>) {
    let script = repo().join("tests/direct").join(script);
    let words = [era.word(), name, transport.word()];
    if transport == Transport::Stdio {
        let args = [&[script.to_str().expect("UTF-8")], &words[..]].concat();
        return (home.server(name, &json!({"command": "python3", "args": args})), None);
    }
    let mut child = Command::new("python3").arg(script).args(words).stdout(Stdio::piped()).spawn().expect("the server");
    let mut port = String::new();
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut port).expect("its port");
    let entry = json!({"type": "http", "url": format!("http://127.0.0.1:{}/mcp", port.trim())});
    (home.server(name, &entry), Some(Running(child)))
}

/// Starts a bridge that listens: its port, and what it logs from then on.
pub fn listen(home: &Home, more: &[&str]) -> (Child, u16, Receiver<String>) {
    let words = [&["start", "--http", "127.0.0.1:0"], more].concat();
    let mut child = home.command(&words).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the bridge");
    let log = pump(child.stderr.take().expect("stderr"));
    let mut said = String::new();
    let port = loop {
        let line = log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}: {said}"));
        if let Some((_, rest)) = line.split_once("MCP at http://127.0.0.1:") {
            break rest.split('/').next().and_then(|port| port.parse().ok()).expect("a port");
        }
        said += &line;
    };
    (child, port, log)
}

/// A bridge that listens, and ends with the value.
pub struct Listening {
    _bridge: Running,
    pub port: u16,
    /// A bridge that cannot write its log ends.
    _log: Receiver<String>,
}

impl Listening {
    pub fn start(home: &Home, more: &[&str]) -> Self {
        let (child, port, log) = listen(home, more);
        Self { _bridge: Running(child), port, _log: log }
    }
}

enum Way {
    Stdio(Box<Client>),
    Http { port: u16, token: Option<String>, session: Option<String>, _bridge: Option<Listening> },
}

/// A client of one era that says it can this, over one transport.
pub struct Peer {
    way: Way,
    era: Era,
    capabilities: Value,
    next_id: u64,
}

impl Peer {
    pub fn new(era: Era, transport: Transport, home: &Home, capabilities: Value) -> Self {
        if transport == Transport::Http {
            let listening = Listening::start(home, &[]);
            let mut peer = Self::at(era, listening.port, None, capabilities);
            if let Way::Http { _bridge, .. } = &mut peer.way {
                *_bridge = Some(listening);
            }
            return peer;
        }
        let mut client = Client::start_raw(home.command(&["serve"]));
        if era == Era::Older {
            client.initialize_with(capabilities.clone());
        }
        Self { way: Way::Stdio(Box::new(client)), era, capabilities, next_id: 1 }
    }

    /// One of several on a bridge that listens.
    pub fn at(era: Era, port: u16, token: Option<String>, capabilities: Value) -> Self {
        let mut peer = Self {
            way: Way::Http { port, token, session: None, _bridge: None },
            era,
            capabilities: capabilities.clone(),
            next_id: 1,
        };
        if era == Era::Older {
            let hello = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                "clientInfo": {"name": "test", "version": "1"}});
            let answer =
                peer.post(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})).ask(port);
            let id = answer.header("mcp-session-id").map(str::to_owned);
            assert!(id.is_some(), "{answer:?}");
            if let Way::Http { session, .. } = &mut peer.way {
                *session = id;
            }
            let met = peer.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).ask(port);
            assert_eq!(met.status, 202);
        }
        peer
    }

    fn post(&self, message: &Value) -> Request {
        let Way::Http { token, session, .. } = &self.way else { panic!("not over HTTP") };
        token.iter().fold(web::post(message, session.as_deref()), |post, token| post.bearer(token))
    }

    /// Ends the session of a client of the older era over HTTP.
    pub fn leave(self) {
        let Way::Http { port, session: Some(session), .. } = &self.way else { panic!("no session") };
        assert_eq!(Request::new("DELETE", "/mcp").session(session).ask(*port).status, 204);
    }

    /// Calls a tool over HTTP, and does not wait: the call is given up where the value is dropped.
    pub fn begin(&mut self, tool: &str) -> TcpStream {
        let Way::Http { port, .. } = self.way else { panic!("not over HTTP") };
        self.next_id += 1;
        let params = self.dressed(json!({"name": tool, "arguments": {}}));
        let message = json!({"jsonrpc": "2.0", "id": self.next_id, "method": "tools/call", "params": params});
        self.post(&message).begin(port)
    }

    /// Sends a request over HTTP, and gives the stream of its answer.
    pub fn open(&mut self, method: &str, params: Value) -> Open {
        let Way::Http { port, .. } = self.way else { panic!("not over HTTP") };
        self.next_id += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": self.dressed(params)});
        self.post(&message).open(port)
    }

    fn dressed(&self, mut params: Value) -> Value {
        if self.era == Era::Newer {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        params
    }

    /// The response to a request; questions that come as requests meanwhile are answered by `answer`, from method and params.
    #[track_caller]
    pub fn response(&mut self, method: &str, params: Value, answer: &mut dyn FnMut(&str, &Value) -> Value) -> Value {
        let params = self.dressed(params);
        let mut reply = |question: &Value| {
            let result = answer(question["method"].as_str().expect("a method"), &question["params"]);
            json!({"jsonrpc": "2.0", "id": question["id"], "result": result})
        };
        let port = match &mut self.way {
            Way::Http { port, .. } => *port,
            Way::Stdio(client) => {
                let id = client.send(method, params);
                loop {
                    match client.question_or_response(id) {
                        Ok(response) => return response,
                        Err(question) => client.send_line(&reply(&question).to_string()),
                    }
                }
            }
        };
        self.next_id += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        let mut open = self.post(&message).open(port);
        if open.header("content-type") == Some("application/json") {
            let length = open.header("content-length").and_then(|it| it.parse().ok()).expect("a length");
            let mut body = vec![0; length];
            std::io::Read::read_exact(&mut open.reader, &mut body).expect("the body");
            return serde_json::from_slice(&body).expect("JSON");
        }
        loop {
            let message = open.message();
            match (message["method"].is_string(), message.get("id")) {
                (true, Some(_)) => assert_eq!(self.post(&reply(&message)).ask(port).status, 202),
                (true, None) => {}
                _ => return message,
            }
        }
    }

    /// A call to its end: questions in results are answered too, and a task is followed.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value, answer: &mut dyn FnMut(&str, &Value) -> Value) -> Outcome {
        let call = json!({"name": tool, "arguments": arguments});
        let mut next = call.clone();
        loop {
            let response = self.response("tools/call", next.clone(), answer);
            let result = &response["result"];
            match result["resultType"].as_str() {
                Some("input_required") => {
                    next = call.clone();
                    next["inputResponses"] = answers(&result["inputRequests"], answer);
                    next["requestState"] = result["requestState"].clone();
                }
                Some("task") => {
                    return Outcome { task: Some(result.clone()), end: self.follow(&result["taskId"], answer) };
                }
                _ => return Outcome { task: None, end: response },
            }
        }
    }

    /// A task to its end, as `{"result": ...}` or `{"error": ...}`, with the last answer of `tasks/get` as `last`.
    #[track_caller]
    pub fn follow(&mut self, id: &Value, answer: &mut dyn FnMut(&str, &Value) -> Value) -> Value {
        let mut done = Vec::new();
        loop {
            let now = self.about("tasks/get", json!({"taskId": id}));
            assert_eq!((&now["resultType"], &now["taskId"]), (&json!("complete"), id), "{now}");
            match now["status"].as_str() {
                // What the server does next, it does by the number of looks.
                Some("working") => {}
                Some("input_required") => {
                    let mut open = now["inputRequests"].clone();
                    open.as_object_mut().expect("questions").retain(|key, _| !done.contains(key));
                    done.extend(open.as_object().into_iter().flatten().map(|(key, _)| key.clone()));
                    if open != json!({}) {
                        let answers = answers(&open, answer);
                        let update = json!({"taskId": id, "inputResponses": answers});
                        assert_eq!(self.about("tasks/update", update)["resultType"], "complete");
                    }
                }
                _ => return json!({"result": now["result"], "error": now["error"], "last": now}),
            }
        }
    }

    #[track_caller]
    pub fn about(&mut self, method: &str, params: Value) -> Value {
        let response = self.response(method, params, &mut nothing);
        assert!(response["result"].is_object(), "{method}: {response}");
        response["result"].clone()
    }
}

/// What a call came to, and the task that it was meanwhile.
pub struct Outcome {
    pub task: Option<Value>,
    pub end: Value,
}

fn answers(requests: &Value, answer: &mut dyn FnMut(&str, &Value) -> Value) -> Value {
    let requests = requests.as_object().expect("questions").iter();
    let answers =
        requests.map(|(key, it)| (key.clone(), answer(it["method"].as_str().expect("a method"), &it["params"])));
    Value::Object(answers.collect())
}

/// For calls that ask nothing.
pub fn nothing(method: &str, _: &Value) -> Value {
    panic!("asked {method}")
}
