//! One record of each call, whatever becomes of it: who was called on whose account, how long it took and how large it was.

use std::io;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Called, GatewayError};
use crate::audit::{Account, Kind, Passed, Record};

/// By what right a call is made, and on whose account.
#[derive(Clone, Debug)]
pub struct Granted {
    pub account: Account,
    /// `allow` or `ask`.
    pub decision: &'static str,
    /// The rule that allows it.
    pub rule: String,
}

/// Of a call by the bridge's own user, whom no rule concerns.
impl Default for Granted {
    fn default() -> Self {
        Self { account: Account::default(), decision: "allow", rule: "no rules".into() }
    }
}

/// A call that is being made. Dropped before [`Audit::end`], it says that the caller gave up.
pub(super) struct Audit<'a> {
    granted: &'a Granted,
    server: &'a str,
    tool: &'a str,
    request_bytes: usize,
    passed: Option<Passed>,
    begun: Instant,
    ended: bool,
}

impl<'a> Audit<'a> {
    pub(super) fn begin(granted: &'a Granted, server: &'a str, tool: &'a str, arguments: &Map<String, Value>) -> Self {
        let passed = granted.account.passed(arguments);
        Self { granted, server, tool, request_bytes: size(arguments), passed, begun: Instant::now(), ended: false }
    }

    pub(super) fn end(mut self, outcome: &Result<Called, GatewayError>) {
        self.ended = true;
        match outcome {
            Ok(called) => self.write(if called.is_error { "tool_error" } else { "ok" }, called.result.get().len()),
            Err(error) => self.write(error.code(), 0),
        }
    }

    fn write(&mut self, outcome: &str, result_bytes: usize) {
        self.granted.account.write(Record {
            kind: Kind::Call,
            server: self.server.to_owned(),
            name: self.tool.to_owned(),
            decision: self.granted.decision,
            rule: self.granted.rule.clone(),
            outcome: outcome.to_owned(),
            duration: self.begun.elapsed(),
            request_bytes: self.request_bytes,
            result_bytes,
            calls: None,
            passed: self.passed.take(),
        });
    }
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.write("cancelled", 0);
        }
    }
}

/// Bytes of the arguments as JSON, counted without building the text.
fn size(arguments: &Map<String, Value>) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and keys are strings: the result is always Ok.
    let _ = serde_json::to_writer(&mut count, arguments);
    count.0
}
