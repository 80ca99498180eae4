//! What is recorded of one use.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// What was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Run,
    Call,
    Resource,
    Prompt,
    /// Values for an argument of a prompt or of a template.
    Completion,
    /// News of a resource, wanted or not any more.
    Subscription,
    /// A function that is kept for later programs.
    Save,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Call => "call",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
            Self::Completion => "completion",
            Self::Subscription => "subscription",
            Self::Save => "save",
        }
    }
}

/// What was passed, as far as the trail tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// Of the canonical JSON, in hexadecimal.
    pub sha256: String,
    /// Redacted, where the operator wants them.
    pub arguments: Option<Value>,
}

/// One use, at its end.
#[derive(Clone, Debug)]
pub struct Record {
    pub kind: Kind,
    /// Of a run: those that it used, with commas between.
    pub server: String,
    /// The tool, the prompt, or the resource's URI; of a run, nothing.
    pub name: String,
    /// `allow`, `ask` or `deny`.
    pub decision: &'static str,
    /// The rule that decided.
    pub rule: String,
    /// `ok`, `tool_error`, `denied`, `cancelled`, the status of a run, or the code of an error.
    pub outcome: String,
    pub duration: Duration,
    pub request_bytes: usize,
    pub result_bytes: usize,
    /// Of a run: how many calls it made.
    pub calls: Option<u64>,
    pub passed: Option<Passed>,
}

impl Record {
    /// Of a use that is not made: refused by the rules, or for the reason that `code` names.
    pub fn not_made(kind: Kind, server: &str, name: &str, decision: &'static str, rule: &str, code: &str) -> Self {
        Self {
            kind,
            server: server.to_owned(),
            name: name.to_owned(),
            decision,
            rule: rule.to_owned(),
            outcome: if decision == "deny" { "denied".to_owned() } else { code.to_owned() },
            duration: Duration::ZERO,
            request_bytes: 0,
            result_bytes: 0,
            calls: None,
            passed: None,
        }
    }

    /// The line of the log. Never a value of arguments or results.
    pub(super) fn log(&self, caller: &str) {
        let duration_ms = self.duration.as_secs_f64() * 1000.0;
        if self.kind == Kind::Run {
            tracing::info!(target: "audit", caller, status = self.outcome, duration_ms = self.duration.as_millis(),
                calls = self.calls.unwrap_or(0), servers = self.server, "run");
            return;
        }
        tracing::info!(
            target: "audit",
            caller,
            server = self.server,
            tool = self.name,
            decision = self.decision,
            outcome = self.outcome,
            duration_ms,
            request_bytes = self.request_bytes,
            result_bytes = self.result_bytes,
            "{}", self.kind.word()
        );
    }

    /// The line of the trail, without what the writer adds.
    pub(super) fn to_line(&self, caller: &str, run: &str) -> Map<String, Value> {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
        put("kind", self.kind.word().into());
        put("caller", caller.into());
        put("run", run.into());
        if self.kind == Kind::Run {
            put("servers", self.server.as_str().into());
        } else {
            put("server", self.server.as_str().into());
            let names_uri = matches!(self.kind, Kind::Resource | Kind::Subscription);
            put(if names_uri { "uri" } else { "tool" }, self.name.as_str().into());
        }
        put("decision", self.decision.into());
        put("rule", self.rule.as_str().into());
        put("outcome", self.outcome.as_str().into());
        // Whole microseconds, so that a line does not depend on how a number is written.
        put("duration_us", json!(u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)));
        put("request_bytes", self.request_bytes.into());
        put("result_bytes", self.result_bytes.into());
        if let Some(calls) = self.calls {
            put("calls", calls.into());
        }
        if let Some(passed) = &self.passed {
            put("arguments_sha256", passed.sha256.as_str().into());
            if let Some(arguments) = &passed.arguments {
                put("arguments", arguments.clone());
            }
        }
        line
    }
}
