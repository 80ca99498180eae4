//! The plainest MCP client there can be: JSON lines over a child's stdin and stdout, one thread, no framework. What it
//! measures is the other side.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub struct Client {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Client {
    /// Starts `command` and does the handshake.
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let input = BufWriter::new(child.stdin.take().expect("piped"));
        let output = BufReader::with_capacity(1 << 16, child.stdout.take().expect("piped"));
        let mut client = Self { child, input: Some(input), output, next: 0 };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}});
        client.request("initialize", &hello);
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client.flush();
        client
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One request and its result.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.post(method, params);
        self.flush();
        loop {
            if let (found, result) = self.receive()
                && found == id
            {
                return result;
            }
        }
    }

    /// One tool call and its result.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// Many tool calls, all sent before the first answer is waited for.
    pub fn call_all(&mut self, tool: &str, arguments: impl Iterator<Item = Value>) -> usize {
        let sent = arguments.map(|one| self.post("tools/call", &json!({"name": tool, "arguments": one}))).count();
        self.flush();
        (0..sent).filter(|_| !self.receive().1.is_null()).count()
    }

    /// Runs a program through the bridge's `run_python` and gives the report.
    pub fn run_python(&mut self, code: &str) -> Value {
        let answer = self.call("run_python", &json!({"code": code}));
        let report = &answer["structuredContent"];
        assert!(report["status"] == "success", "the program did not succeed: {report}");
        report.clone()
    }

    /// Runs a program that prints 1 so often, all asked for before the first answer is waited for; how many did not do it.
    pub fn run_all(&mut self, code: &str, count: usize) -> usize {
        for _ in 0..count {
            self.post("tools/call", &json!({"name": "run_python", "arguments": {"code": code}}));
        }
        self.flush();
        let mut failed = 0;
        for _ in 0..count {
            let answer = self.receive().1;
            let report = &answer["structuredContent"];
            if report["status"] != "success" || report["stdout"] != "1\n" {
                failed += 1;
                eprintln!("a run did not succeed: {answer}");
            }
        }
        failed
    }

    fn post(&mut self, method: &str, params: &Value) -> u64 {
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}));
        self.next
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("open");
        serde_json::to_writer(&mut *input, message).expect("sent");
        input.write_all(b"\n").expect("sent");
    }

    fn flush(&mut self) {
        self.input.as_mut().expect("open").flush().expect("sent");
    }

    /// The next answer: its id and its result (null for an error or a notification).
    fn receive(&mut self) -> (u64, Value) {
        let mut line = Vec::new();
        let read = self.output.read_until(b'\n', &mut line).expect("an answer");
        assert!(read > 0, "the other side closed the connection");
        let mut message: Value = serde_json::from_slice(&line).expect("JSON");
        (message["id"].as_u64().unwrap_or(0), message["result"].take())
    }
}

impl Drop for Client {
    /// Hangs up and waits for the end, as a client should.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
