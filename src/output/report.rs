//! The report of one run: the same fields in `structuredContent` and in the text.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The program reached its end.
    Success,
    /// The program raised, or could not be run.
    Error,
    /// The deadline passed.
    Timeout,
    /// Memory, processes, output or another limit ended it.
    Limit,
    /// The client withdrew the request, or the bridge is stopping.
    Cancelled,
}

impl Status {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is told about one run. Fields that are empty are left out of every form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub status: Status,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// The value of the last expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// `result` is the value's `repr`, because the value is not JSON.
    #[serde(default, skip_serializing_if = "is_false")]
    pub result_is_repr: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// The servers the program used, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Where the run was one of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionReport>,
    /// The files that the program was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileReport>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Milliseconds from admission to the end of the sandbox.
    pub duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Truncated>,
}

impl Report {
    /// A report that says only how the run ended.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            stdout: String::new(),
            stderr: String::new(),
            result: None,
            result_is_repr: false,
            error: None,
            verdict: None,
            calls: None,
            servers: Vec::new(),
            session: None,
            files: Vec::new(),
            notes: Vec::new(),
            duration_ms: 0,
            truncated: None,
        }
    }

    /// The report as `structuredContent`.
    pub fn to_value(&self) -> Value {
        // Every field serializes; were one not to, the status is still told.
        serde_json::to_value(self)
            .unwrap_or_else(|_| json!({"status": self.status.word(), "duration_ms": self.duration_ms}))
    }
}

/// A Python exception, or an error of the bridge that kept the program from running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// The exception's class name.
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    /// With the program's own lines, none of ours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceback: String,
    /// One thing to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Stable code, where the error is the bridge's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// What ended a program that did not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    Time,
    Memory,
    Processes,
    Output,
    Disk,
    Files,
    /// The guest broke the pipe's rules.
    Protocol,
    /// The process died of a signal nobody of ours sent.
    Signal,
    /// The process ended without finishing: `os._exit`, a crash.
    Exit,
    Cancelled,
}

/// The verdict with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub kind: VerdictKind,
    pub message: String,
    /// One thing to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// The tool calls of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    pub count: u64,
    pub failed: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedCall>,
}

/// Calls that failed alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCall {
    pub server: String,
    pub tool: String,
    pub reason: String,
    pub times: u64,
}

/// The session of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    pub name: String,
    /// The how-maniest run it was; 1: the session began with it.
    pub run: u64,
}

/// A file that a program was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// In `/workspace`.
    pub name: String,
    pub bytes: u64,
    /// What names it in a later run, where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// What was cut to keep the report within its budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Cut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<Cut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Cut>,
}

/// Bytes kept of bytes there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub kept: u64,
    pub total: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The declared output schema of `run_python`. Clients put it before the model, so it names types and little else.
pub fn output_schema() -> Value {
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let cut = || json!({"type": "object", "properties": {"kept": {"type": "integer"}, "total": {"type": "integer"}}});
    let failure = object(json!({"server": text(), "tool": text(), "reason": text(), "times": count()}));
    json!({
        "type": "object",
        "properties": {
            "status": {"enum": ["success", "error", "timeout", "limit", "cancelled"]},
            "stdout": text(),
            "stderr": text(),
            "result": {"description": "value of the last expression"},
            "result_is_repr": {"type": "boolean"},
            "error": object(json!({
                "type": text(), "message": text(), "traceback": text(), "hint": text(), "code": text(),
            })),
            "verdict": object(json!({"kind": text(), "message": text(), "hint": text()})),
            "calls": object(json!({"count": count(), "failed": count(), "failures": {"type": "array", "items": failure}})),
            "servers": texts(),
            "session": object(json!({"name": text(), "run": count()})),
            "files": {"type": "array", "items": {"type": "object"}},
            "notes": texts(),
            "duration_ms": count(),
            "truncated": object(json!({"stdout": cut(), "stderr": cut(), "result": cut()})),
        },
        "required": ["status", "duration_ms"],
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report with every field filled.
    pub fn complete() -> Report {
        Report {
            stdout: "one\ntwo\n".into(),
            stderr: "warned".into(),
            result: Some(json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])),
            result_is_repr: true,
            error: Some(ErrorReport {
                kind: "ZeroDivisionError".into(),
                message: "division by zero".into(),
                traceback: "Traceback (most recent call last):\n  File \"program.py\", line 1\n".into(),
                hint: "divide by something".into(),
                code: Some("run.example".into()),
            }),
            verdict: Some(Verdict { kind: VerdictKind::Memory, message: "too much".into(), hint: "use less".into() }),
            calls: Some(Calls {
                count: 3,
                failed: 1,
                failures: vec![FailedCall { server: "git".into(), tool: "log".into(), reason: "no".into(), times: 1 }],
            }),
            servers: vec!["git".into()],
            session: Some(SessionReport { name: "analysis".into(), run: 2 }),
            files: vec![FileReport { name: "a.csv".into(), bytes: 3, uri: Some("mcp-bridge://uploads/0".into()) }],
            notes: vec!["1 call was never awaited".into()],
            duration_ms: 12,
            truncated: Some(Truncated {
                stdout: Some(Cut { kept: 1, total: 2 }),
                stderr: Some(Cut { kept: 1, total: 2 }),
                result: Some(Cut { kept: 1, total: 2 }),
            }),
            ..Report::new(Status::Error)
        }
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let value = Report::new(Status::Success).to_value();
        assert_eq!(value, json!({"status": "success", "duration_ms": 0}));
    }

    #[test]
    fn a_null_result_is_not_a_missing_one() {
        let report = Report { result: Some(Value::Null), ..Report::new(Status::Success) };
        assert_eq!(report.to_value().get("result"), Some(&Value::Null));
    }

    #[test]
    fn reports_fit_their_declared_schema_and_it_names_every_field() {
        let schema = output_schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for report in [Report::new(Status::Cancelled), complete()] {
            assert!(validator.is_valid(&report.to_value()));
        }
        let value = complete().to_value();
        let declared: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), declared);
        for nested in ["error", "verdict", "calls", "session", "truncated"] {
            let declared: Vec<_> = schema["properties"][nested]["properties"].as_object().unwrap().keys().collect();
            assert_eq!(value[nested].as_object().unwrap().keys().collect::<Vec<_>>(), declared, "{nested}");
        }
        assert!(!validator.is_valid(&json!({"status": "fine", "duration_ms": 1})));
    }

    #[test]
    fn the_schema_is_small() {
        // About 300 tokens.
        assert!(output_schema().to_string().len() < 1_500, "{}", output_schema().to_string().len());
    }
}
