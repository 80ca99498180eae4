//! What is recorded of one use.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::sensitive::without_secrets;

/// Bytes that are kept of a name, and of the names of all servers of a run. A name of something that is there is shorter; others are made
/// up by whoever asks, and must not make a line longer than readers take for one (each byte may be written as six: `\u0000`).
const NAME: usize = 4 << 10;
const NAMES: usize = 64 << 10;

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

    fn names_uri(self) -> bool {
        matches!(self, Self::Resource | Self::Subscription)
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

    /// The name without what a URI may carry in it: a token, a password.
    fn shown_name(&self) -> Cow<'_, str> {
        let name = bounded(&self.name, NAME);
        if self.kind.names_uri() { without_secrets(name) } else { name.into() }
    }

    /// The line of the log. Never a value of arguments or results.
    pub(super) fn log(&self, caller: &str) {
        let duration_ms = self.duration.as_secs_f64() * 1000.0;
        if self.kind == Kind::Run {
            tracing::info!(target: "audit", caller, status = self.outcome, duration_ms = self.duration.as_millis(),
                calls = self.calls.unwrap_or(0), servers = bounded(&self.server, NAMES), "run");
            return;
        }
        tracing::info!(
            target: "audit",
            caller,
            server = bounded(&self.server, NAME),
            tool = &*self.shown_name(),
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
        put("caller", bounded(caller, NAME).into());
        put("run", run.into());
        if self.kind == Kind::Run {
            put("servers", bounded(&self.server, NAMES).into());
        } else {
            put("server", bounded(&self.server, NAME).into());
            put(if self.kind.names_uri() { "uri" } else { "tool" }, self.shown_name().into());
        }
        put("decision", self.decision.into());
        put("rule", bounded(&self.rule, NAME).into());
        put("outcome", bounded(&self.outcome, NAME).into());
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

/// The beginning of a text, of so many bytes at most.
fn bounded(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_told_without_what_it_carries_and_nothing_is_told_at_any_length() {
        let uri = "https://ann:pw@h/a?token=xyzzy&page=2";
        let record = |kind, name: &str| Record::not_made(kind, &"\0".repeat(1 << 21), name, "deny", "rule", "");
        for kind in [Kind::Resource, Kind::Subscription] {
            assert_eq!(record(kind, uri).to_line("me", "r")["uri"], "https://[redacted]@h/a?token=[redacted]&page=2");
        }
        let longest = "\0".repeat(1 << 21);
        for kind in [Kind::Call, Kind::Resource, Kind::Run] {
            let line = Value::Object(record(kind, &longest).to_line(&longest, "r")).to_string();
            assert!(line.len() < super::super::line::LONGEST / 2, "{}", line.len());
        }
        let name = "ü".repeat(NAME);
        assert_eq!(record(Kind::Call, &name).to_line("me", "r")["tool"], "ü".repeat(NAME / 2));
    }
}
