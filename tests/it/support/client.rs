//! An MCP client on the bridge's stdin and stdout: raw lines, so that tests see the protocol's own bytes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for anything in a test. Machines are shared and slow; a healthy answer takes well under a second.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Client {
    pub child: Child,
    stdin: Option<Box<dyn Write + Send>>,
    lines: Receiver<String>,
    stderr: Receiver<String>,
    next_id: u64,
    /// Responses and notifications that arrived while another was waited for.
    pub pending: Vec<Value>,
}

impl Client {
    /// Starts the command as a stdio server and shakes hands.
    pub fn start(command: Command) -> Self {
        let mut client = Self::start_raw(command);
        client.initialize();
        client
    }

    /// Starts the command without a handshake.
    pub fn start_raw(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
        let stdin = child.stdin.take().expect("stdin");
        let lines = pump(child.stdout.take().expect("stdout"));
        let stderr = pump(child.stderr.take().expect("stderr"));
        Self::over(child, stdin, lines, stderr)
    }

    /// A client of this bridge whose lines go and come this way.
    pub fn over(
        child: Child,
        stdin: impl Write + Send + 'static,
        lines: Receiver<String>,
        stderr: Receiver<String>,
    ) -> Self {
        Self { child, stdin: Some(Box::new(stdin)), lines, stderr, next_id: 1, pending: Vec::new() }
    }

    pub fn initialize(&mut self) -> Value {
        self.initialize_with(json!({}))
    }

    /// Shakes hands as a client with these capabilities.
    pub fn initialize_with(&mut self, capabilities: Value) -> Value {
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "1"}});
        let info = self.request("initialize", hello);
        self.notify("notifications/initialized", json!({}));
        info
    }

    pub fn send_line(&mut self, line: &str) {
        self.send_bytes(line.as_bytes());
    }

    /// One line of any bytes.
    pub fn send_bytes(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(line).and_then(|()| stdin.write_all(b"\n")).and_then(|()| stdin.flush()).expect("write");
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send_line(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Sends a request and returns its id.
    pub fn send(&mut self, method: &str, params: Value) -> u64 {
        self.send_text(method, &params.to_string())
    }

    /// The same with params as they are written.
    pub fn send_text(&mut self, method: &str, params: &str) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#, json!(method)));
        id
    }

    /// The next line that holds this, as it was written; what came before it is forgotten.
    #[track_caller]
    pub fn line(&mut self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).expect("a line");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The whole response with this id.
    pub fn response(&mut self, id: u64) -> Value {
        if let Some(at) = self.pending.iter().position(|m| m["id"] == id) {
            return self.pending.remove(at);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let message: Value =
                        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not protocol on stdout: {line:?}: {e}"));
                    if message["id"] == id {
                        return message;
                    }
                    self.pending.push(message);
                }
                Err(RecvTimeoutError::Timeout) => panic!("no answer to {id} in {PATIENCE:?}\n{}", self.log()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the bridge ended before it answered {id}\n{}", self.log())
                }
            }
        }
    }

    /// The first of these requests that is answered.
    #[track_caller]
    pub fn first_of(&mut self, ids: &[u64]) -> u64 {
        let until = Instant::now() + PATIENCE;
        loop {
            let answered = self.pending.iter().filter_map(|message| message["id"].as_u64()).find(|id| ids.contains(id));
            if let Some(id) = answered {
                return id;
            }
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).expect("an answer");
            self.pending.push(serde_json::from_str(&line).expect("protocol"));
        }
    }

    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let response = self.response(id);
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].clone()
    }

    /// `run_python`, whole result; what every result must be is checked here.
    #[track_caller]
    pub fn call(&mut self, arguments: Value) -> Value {
        let id = self.send_call(arguments);
        self.result(id)
    }

    /// Sends a call of `run_python` and returns its id.
    pub fn send_call(&mut self, arguments: Value) -> u64 {
        self.send("tools/call", json!({"name": "run_python", "arguments": arguments}))
    }

    /// The result of the call with this id.
    #[track_caller]
    pub fn result(&mut self, id: u64) -> Value {
        let response = self.response(id);
        assert!(response.get("error").is_none(), "{response}");
        let result = response["result"].clone();
        let report = &result["structuredContent"];
        if let Err(error) = declared().validate(report) {
            panic!("structuredContent is not what is declared: {error}\n{report:#}");
        }
        assert_eq!(result["isError"], report["status"] != "success", "{result:#}");
        assert!(result["content"][0]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result:#}");
        result
    }

    /// Sends a call of `run_python` that asks for progress with this token, and returns its id.
    pub fn send_watched(&mut self, arguments: Value, token: Value) -> u64 {
        let meta = json!({"progressToken": token});
        self.send("tools/call", json!({"name": "run_python", "arguments": arguments, "_meta": meta}))
    }

    /// The first notification of which this holds; it is taken, the others stay.
    #[track_caller]
    pub fn told(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.pending.iter().position(|it| it["method"].is_string() && wanted(&it["params"]));
            if let Some(at) = found {
                return self.pending.remove(at)["params"].take();
            }
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("never told; {:#?}\n{}", self.pending, self.log()));
            self.pending.push(serde_json::from_str(&line).expect("protocol"));
        }
    }

    /// The first notification of this method, whole; it is taken, the others stay.
    #[track_caller]
    pub fn told_method(&mut self, method: &str) -> Value {
        self.first(|message| message["method"] == method, method)
    }

    /// The response with this id, or a question of the server that comes before it.
    #[track_caller]
    pub fn question_or_response(&mut self, id: u64) -> Result<Value, Value> {
        let asks = |message: &Value| message["method"].is_string() && message.get("id").is_some();
        let is_response = |message: &Value| message["method"].is_null() && message["id"] == id;
        let message = self.first(|message| asks(message) || is_response(message), "an answer or a question");
        if asks(&message) { Err(message) } else { Ok(message) }
    }

    #[track_caller]
    fn first(&mut self, wanted: impl Fn(&Value) -> bool, what: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.pending.iter().position(&wanted) {
                return self.pending.remove(at);
            }
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("never came: {what}; {:#?}\n{}", self.pending, self.log()));
            self.pending.push(serde_json::from_str(&line).expect("protocol"));
        }
    }

    /// `run_python`, structured content only.
    pub fn report(&mut self, arguments: Value) -> Value {
        self.call(arguments)["structuredContent"].take()
    }

    /// Runs a program that must succeed and gives its result.
    #[track_caller]
    pub fn value(&mut self, code: &str) -> Value {
        self.python(code)["result"].take()
    }

    /// Runs a program that must succeed.
    #[track_caller]
    pub fn python(&mut self, code: &str) -> Value {
        let report = self.report(json!({"code": code}));
        assert_eq!(report["status"], "success", "{report:#}\n{}", self.log());
        report
    }

    /// What the bridge has logged so far.
    pub fn log(&self) -> String {
        self.stderr.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Waits for a log line that holds `text`.
    #[track_caller]
    pub fn logged(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = String::new();
        while let Ok(line) = self.stderr.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("{text:?} was never logged:\n{seen}");
    }

    /// Waits for a log line with each of these texts, in whatever order they come.
    #[track_caller]
    pub fn logged_each(&self, texts: &[&str]) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        let mut found = vec![None; texts.len()];
        let mut seen = String::new();
        while found.iter().any(Option::is_none) {
            let Ok(line) = self.stderr.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                panic!("of {texts:?} only {found:?} was logged:\n{seen}");
            };
            for (text, found) in texts.iter().zip(&mut found) {
                if found.is_none() && line.contains(text) {
                    *found = Some(line.clone());
                }
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        found.into_iter().flatten().collect()
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the process to end and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        self.close_stdin();
        let until = Instant::now() + PATIENCE;
        // The reader sees the end of stdout when the process is gone.
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("wait").code(),
                Err(RecvTimeoutError::Timeout) => panic!("the bridge did not end\n{}", self.log()),
            }
        }
    }

    /// Waits for the process to end, within a bound that is part of what is promised.
    #[track_caller]
    pub fn ends_within(&mut self, bound: Duration) -> Option<i32> {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(bound.saturating_sub(begun.elapsed())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("wait").code(),
                Err(RecvTimeoutError::Timeout) => panic!("the bridge lives {bound:?} on\n{}", self.log()),
            }
        }
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).expect("signal");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The declared output schema; `protocol.rs` holds it to what `tools/list` says.
fn declared() -> &'static jsonschema::Validator {
    static DECLARED: OnceLock<jsonschema::Validator> = OnceLock::new();
    DECLARED.get_or_init(|| jsonschema::validator_for(&mcp_bridge::output::output_schema()).expect("a schema"))
}

/// Its lines, as they come.
pub fn pump(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}
