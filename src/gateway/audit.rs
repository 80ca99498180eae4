//! One record of each call, whatever becomes of it: who was called on whose account, how long it took and how large it was.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::{Called, GatewayError};
use crate::access::View;
use crate::audit::{Account, Kind, Passed, Record, Written};
use crate::upstream::Asking;

/// By what right a call is made, and on whose account.
#[derive(Clone, Debug)]
pub struct Granted {
    pub account: Account,
    /// What the caller sees: how much it is told.
    pub view: Arc<View>,
    /// `allow` or `ask`.
    pub decision: &'static str,
    /// The rule that allows it.
    pub rule: String,
}

/// Of a call by the bridge's own user, whom no rule concerns.
impl Default for Granted {
    fn default() -> Self {
        let view = Arc::new(View::of_everything(""));
        Self { account: Account::default(), view, decision: "allow", rule: "no rules".into() }
    }
}

/// A call that is being made. Dropped before [`Audit::end`], it says that the caller gave up.
pub(super) struct Audit<'a> {
    granted: &'a Granted,
    server: &'a str,
    kind: Kind,
    tool: &'a str,
    request_bytes: usize,
    passed: Option<Passed>,
    begun: Instant,
    ended: bool,
}

impl<'a> Audit<'a> {
    /// `tool`: what is used; the name of a tool or prompt, or a URI.
    pub(super) fn begin(granted: &'a Granted, server: &'a str, asking: &Asking, tool: &'a str) -> Self {
        let arguments = asking.shown_arguments();
        let passed = granted.account.passed(arguments.as_deref().unwrap_or(&asking.params));
        let kind = match asking.method {
            "tools/call" => Kind::Call,
            "prompts/get" => Kind::Prompt,
            "completion/complete" => Kind::Completion,
            "resources/subscribe" | "resources/unsubscribe" => Kind::Subscription,
            _ => Kind::Resource,
        };
        let request_bytes = arguments.as_deref().map_or(0, size);
        Self { granted, server, kind, tool, request_bytes, passed, begun: Instant::now(), ended: false }
    }

    pub(super) fn end(mut self, outcome: &Result<Called, GatewayError>) -> Written {
        self.ended = true;
        match outcome {
            Ok(called) => self.write(if called.is_error { "tool_error" } else { "ok" }, called.result.get().len()),
            Err(error) => self.write(error.code(), 0),
        }
    }

    fn write(&mut self, outcome: &str, result_bytes: usize) -> Written {
        self.granted.account.write(Record {
            kind: self.kind,
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
        })
    }
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.write("cancelled", 0));
        }
    }
}

/// Bytes of the arguments as JSON, counted without building the text.
fn size(arguments: &impl Serialize) -> usize {
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
