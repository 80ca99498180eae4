//! One case: a program that means harm, with what must come of it in its first lines.
//!
//! ```text
//! # expect: status=limit verdict=memory
//! # expect podman (why it differs there): status=success
//! # The idea in one sentence (where it is publicly known from)
//! ```
//!
//! Known keys: `status`, `verdict`, `error` (its type; with a `?` behind it: or none), `timeout` (seconds to ask for; default 20) and, last on the line because
//! it takes the rest, `result` (JSON; left out, any will do). The first line holds on every backend but those that are named;
//! `embedded` names it as root and as an ordinary user (`embedded_user`) alike, started cold or forked (`embedded_forked`).

use std::path::Path;

use serde_json::Value;

use crate::support::repo;

/// What a program's report must say.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub status: String,
    pub verdict: Option<String>,
    pub error: Option<String>,
    pub result: Option<Value>,
    /// Seconds to ask for.
    pub timeout: f64,
}

/// A backend on which something else comes of it, and why.
#[derive(Debug)]
pub struct Exception {
    pub backend: String,
    pub reason: String,
    pub expected: Expected,
}

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub code: String,
    pub expected: Expected,
    pub exceptions: Vec<Exception>,
    /// The comment that follows, its lines joined; empty when there is none.
    pub idea: String,
}

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let code = std::fs::read_to_string(path).expect("a case");
        let mut head = code.lines().map_while(|line| line.strip_prefix("# ")).peekable();
        let first = head.next().and_then(|line| line.strip_prefix("expect: "));
        let expected = Expected::read(first.unwrap_or_else(|| panic!("{name}: no `# expect: `")), &name);
        let mut exceptions = Vec::new();
        while let Some(line) = head.next_if(|line| line.starts_with("expect ")) {
            let parts = line["expect ".len()..].split_once(" (").and_then(|(backend, rest)| {
                let (reason, rest) = rest.split_once("): ")?;
                Some((backend, reason, rest))
            });
            let (backend, reason, rest) = parts.unwrap_or_else(|| panic!("{name}: `# expect BACKEND (REASON): …`"));
            let expected = Expected::read(rest, &name);
            exceptions.push(Exception { backend: backend.into(), reason: reason.into(), expected });
        }
        let idea = head.collect::<Vec<_>>().join(" ");
        Self { name, code: code.clone(), expected, exceptions, idea }
    }

    /// What must come of it on this backend.
    pub fn on(&self, backend: &str) -> &Expected {
        let named = self.exceptions.iter().filter(|exception| backend.starts_with(&exception.backend));
        let exception = named.max_by_key(|exception| exception.backend.len());
        exception.map_or(&self.expected, |exception| &exception.expected)
    }

    /// What of a report from this backend is not as expected.
    pub fn judge(&self, backend: &str, report: &Value) -> Option<String> {
        (!self.on(backend).fits(report)).then(|| format!("{}: {}", self.name, shortened(report)))
    }
}

impl Expected {
    /// In words, for a reader.
    pub fn in_words(&self) -> String {
        match (&self.verdict, &self.error, &self.result) {
            (Some(verdict), ..) => format!("ended: {verdict}"),
            (None, Some(error), _) => format!("`{error}`"),
            (None, None, Some(Value::Array(reached))) if reached.is_empty() => "nothing is reached".into(),
            (None, None, Some(result)) => format!("`{result}`"),
            (None, None, None) => "may be reached".into(),
        }
    }

    fn read(line: &str, name: &str) -> Self {
        let mut expected = Self { status: String::new(), verdict: None, error: None, result: None, timeout: 20.0 };
        let mut rest = line.trim();
        while let Some((key, after)) = rest.split_once('=') {
            let (value, next) = match key {
                "result" => (after, ""),
                _ => after.split_once(' ').unwrap_or((after, "")),
            };
            match key {
                "status" => expected.status = value.into(),
                "verdict" => expected.verdict = Some(value.into()),
                "error" => expected.error = Some(value.into()),
                "timeout" => expected.timeout = value.parse().expect("seconds"),
                "result" => expected.result = Some(serde_json::from_str(value).expect("JSON")),
                other => panic!("{name}: unknown key {other:?}"),
            }
            rest = next.trim_start();
        }
        assert!(rest.is_empty() && !expected.status.is_empty(), "{name}: {line}");
        expected
    }

    fn fits(&self, report: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        report["status"] == self.status.as_str()
            && text(&report["verdict"]["kind"]) == self.verdict
            && self.fits_error(report["error"]["type"].as_str())
            && self.result.as_ref().is_none_or(|result| report.get("result") == Some(result))
    }

    fn fits_error(&self, found: Option<&str>) -> bool {
        match self.error.as_deref().map(|error| error.strip_suffix('?').ok_or(error)) {
            None => found.is_none(),
            Some(Ok(possible)) => found.is_none_or(|found| found == possible),
            Some(Err(certain)) => found == Some(certain),
        }
    }
}

/// A report small enough to be read: floods fill 100 kB.
pub fn shortened(report: &Value) -> String {
    let mut report = report.clone();
    for stream in ["stdout", "stderr"] {
        if let Some(Value::String(text)) = report.get_mut(stream)
            && text.len() > 2000
        {
            *text = text.chars().take(2000).collect();
        }
    }
    format!("{report:#}")
}

/// Every case of a folder of `tests/cases`, in the order of their names; what begins with `_` is no case.
pub fn all(folder: &str) -> Vec<Case> {
    let folder = repo().join("tests/cases").join(folder);
    let entries = std::fs::read_dir(folder).expect("cases").map(|entry| entry.expect("a case").path());
    let is_case = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".py") && !name.starts_with('_')
    };
    let mut paths: Vec<_> = entries.filter(|path| is_case(path)).collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

/// Those that are to run. Some alone, while they are being written: `HOSTILE_CASE=fork`.
pub fn wanted(folder: &str) -> Vec<Case> {
    let wanted = std::env::var("HOSTILE_CASE").unwrap_or_default();
    all(folder).into_iter().filter(|case| case.name.contains(&wanted)).collect()
}
