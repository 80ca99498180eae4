//! The plainest MCP client there can be: JSON lines over a child's stdin and stdout, one thread, no framework. What it
//! measures is the other side.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::samples::Samples;
use super::watch;

/// What is run where the run itself is measured.
pub const PRINT: &str = "print(1)";

pub struct Client {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    next: u64,
}

/// What came of many runs.
#[derive(Default)]
pub struct Crowd {
    /// Milliseconds of each, from the wish to the answer.
    pub each: Samples,
    pub failed: usize,
    /// From the first wish to the last answer.
    pub took: Duration,
}

impl Client {
    /// Starts `command` and does the handshake. Its stderr goes where the command says.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
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

    /// What the child writes to its stderr, if that was piped; once.
    pub fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// One request and its result.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        let _watch = watch::over(self.pid(), "the answer to a request");
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
        let _watch = watch::over(self.pid(), "the answers to many calls");
        let sent = arguments.map(|one| self.post("tools/call", &json!({"name": tool, "arguments": one}))).count();
        self.flush();
        (0..sent).filter(|_| !self.receive().1.is_null()).count()
    }

    /// Runs a program through the bridge's `run_python` and gives the report.
    pub fn run_python(&mut self, code: &str) -> Value {
        let report = self.report(code);
        assert!(report["status"] == "success", "the program did not succeed: {report}");
        report
    }

    /// The same for a program that may fail.
    pub fn report(&mut self, code: &str) -> Value {
        self.call("run_python", &json!({"code": code}))["structuredContent"].take()
    }

    /// Runs a program and reads the answer without looking into it; its length in bytes.
    pub fn run_unread(&mut self, code: &str) -> usize {
        let _watch = watch::over(self.pid(), "the answer to a large run");
        self.post("tools/call", &json!({"name": "run_python", "arguments": {"code": code}}));
        self.flush();
        self.raw().len()
    }

    /// Keeps so many runs of [`PRINT`] in flight for a time, then waits for those that are left.
    pub fn closed_loop(&mut self, in_flight: usize, time: Duration) -> Crowd {
        self.crowd(in_flight, |begun, _| begun.elapsed() < time)
    }

    /// So many runs of [`PRINT`], all asked for before the first answer is waited for.
    pub fn burst(&mut self, count: usize) -> Crowd {
        self.crowd(count, |_, _| false)
    }

    /// So many runs of [`PRINT`], one after another.
    pub fn row(&mut self, count: usize) -> Crowd {
        self.crowd(1, |_, sent| sent < count)
    }

    /// `first` runs at once, and another for each answer as long as `more` says so, by the beginning and by how many were sent.
    fn crowd(&mut self, first: usize, more: impl Fn(Instant, usize) -> bool) -> Crowd {
        let arguments = json!({"name": "run_python", "arguments": {"code": PRINT}});
        let begun = Instant::now();
        let mut crowd = Crowd::default();
        let mut sent: HashMap<u64, Instant> =
            (0..first).map(|_| (self.post("tools/call", &arguments), Instant::now())).collect();
        let mut count = first;
        self.flush();
        while !sent.is_empty() {
            let watch = watch::over(self.pid(), "the answer to one of many runs");
            let (id, answer) = self.receive();
            drop(watch);
            let Some(asked) = sent.remove(&id) else { continue };
            crowd.each.push(asked.elapsed().as_secs_f64() * 1e3);
            let report = &answer["structuredContent"];
            if report["status"] != "success" || report["stdout"] != "1\n" {
                crowd.failed += 1;
                // The others will have failed alike.
                if crowd.failed == 1 {
                    eprintln!("a run did not succeed: {answer}");
                }
            }
            if more(begun, count) {
                sent.insert(self.post("tools/call", &arguments), Instant::now());
                count += 1;
                self.flush();
            }
        }
        crowd.took = begun.elapsed();
        crowd
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
        let mut message: Value = serde_json::from_slice(&self.raw()).expect("JSON");
        (message["id"].as_u64().unwrap_or(0), message["result"].take())
    }

    fn raw(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        let read = self.output.read_until(b'\n', &mut line).expect("an answer");
        assert!(read > 0, "the other side closed the connection");
        line
    }
}

impl Drop for Client {
    /// Hangs up and waits for the end, as a client should.
    fn drop(&mut self) {
        drop(self.input.take());
        let _watch = watch::over(self.pid(), "the end of a server whose client has hung up");
        let _ = self.child.wait();
    }
}
