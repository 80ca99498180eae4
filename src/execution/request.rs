//! A `run_python` call as a valid request, or an error the model can act on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::files::read_files;
use super::live::Live;
use super::sessions::{ACCEPTED, SessionName};
use crate::chain::{Chain, ChainError};
use crate::settings::clamp_timeout;
use crate::uploads::{Given, UploadError};
use crate::upstream::ClientHandle;

/// Largest program: ten times what any model writes in one answer, and small beside a frame.
pub const MAX_CODE: usize = 16 << 20;

/// One program to run, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    pub code: String,
    /// Name of the program in tracebacks.
    pub filename: String,
    /// Servers to load; `None`: all, on first use.
    pub servers: Option<Vec<String>>,
    pub timeout: Duration,
    /// The session it runs in; without one nothing of it survives.
    pub session: Option<InSession>,
    /// Files that it finds in its working folder.
    pub files: Vec<Given>,
    /// True remarks on the request itself, for the report.
    pub notes: Vec<String>,
    /// Whoever wants to see the run while it runs looks here.
    pub live: Option<Arc<Live>>,
    /// Who can be asked while it runs.
    pub client: Option<ClientHandle>,
    /// The bridges it has come through, the last of which is this one; empty where it came through none.
    pub chain: Chain,
}

/// A session as a call names it. Whose it is, is not for the call to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InSession {
    pub name: SessionName,
    /// The session begins anew with this run.
    pub reset: bool,
}

/// An argument that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("{field}: {found}; accepted is {accepted}")]
    Argument { field: String, found: String, accepted: String, hint: String },
    #[error("MCP server {name:?} is not loaded")]
    UnknownServer { name: String, nearest: Option<String>, known: Vec<String> },
    #[error(transparent)]
    File(#[from] UploadError),
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl RequestError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Argument { .. } => "request.argument",
            Self::UnknownServer { .. } => "request.server_not_found",
            Self::File(error) => error.code(),
            Self::Chain(error) => error.code(),
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Argument { hint, .. } => hint.clone(),
            Self::UnknownServer { nearest: Some(near), .. } => format!("did you mean {near:?}?"),
            Self::UnknownServer { known, .. } if known.is_empty() => {
                "no MCP servers are configured; `mcp-bridge servers` shows where they are looked for".into()
            }
            Self::File(error) => error.hint(),
            Self::Chain(error) => error.hint().into(),
            Self::UnknownServer { known, .. } => format!("servers are: {}", listed(known)),
        }
    }
}

/// Names with commas between, at most thirty: a hint must not become a catalog.
fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(30).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 30 {
        text.push_str(&format!(" and {} more (await runtime.list_servers())", names.len() - 30));
    }
    text
}

impl RunRequest {
    /// A request with defaults, for a program from the command line.
    pub fn new(code: String, filename: &str, timeout: Duration) -> Self {
        Self {
            code,
            filename: filename.to_owned(),
            servers: None,
            timeout,
            session: None,
            files: Vec::new(),
            notes: Vec::new(),
            live: None,
            client: None,
            chain: Chain::default(),
        }
    }

    /// Reads the arguments of a `run_python` call.
    ///
    /// # Errors
    /// The first argument of a wrong type or value, by name. A timeout above `max_timeout` is no error: it is cut, with a note.
    pub fn read(
        arguments: &Map<String, Value>,
        default_timeout: Duration,
        max_timeout: Duration,
    ) -> Result<Self, RequestError> {
        const KNOWN: [&str; 6] = ["code", "servers", "timeout", "session", "reset", "files"];
        if let Some(unknown) = arguments.keys().find(|k| !KNOWN.contains(&k.as_str())) {
            let near = crate::nearest::nearest(unknown, KNOWN);
            return Err(RequestError::Argument {
                field: shorten(unknown),
                found: "there is no such argument".into(),
                accepted: "code, servers, timeout, session, reset or files".into(),
                hint: near.map_or_else(|| "leave it out".into(), |n| format!("did you mean `{n}`?")),
            });
        }
        let code = match arguments.get("code") {
            Some(Value::String(code)) => code.clone(),
            other => return Err(wrong("code", other, "a string of Python source", "put the program into `code`")),
        };
        check_code(&code)?;
        let servers = read_servers(arguments.get("servers"))?;
        let mut notes = Vec::new();
        let timeout = match arguments.get("timeout") {
            None | Some(Value::Null) => default_timeout,
            Some(value) => {
                let clamped = value.as_f64().and_then(|seconds| clamp_timeout(seconds, max_timeout));
                let Some((timeout, note)) = clamped else {
                    let accepted = format!("a number of seconds above 0, up to {}", max_timeout.as_secs_f64());
                    return Err(wrong("timeout", Some(value), &accepted, "leave it out for the default"));
                };
                notes.extend(note);
                timeout
            }
        };
        let session = read_session(arguments.get("session"), arguments.get("reset"))?;
        let files = read_files(arguments.get("files"))?;
        Ok(Self { servers, session, files, notes, ..Self::new(code, "program.py", timeout) })
    }

    /// Replaces aliases by names and refuses unknown servers.
    ///
    /// # Errors
    /// The first name that is neither a server's name nor an alias, with the nearest one.
    pub fn resolve_servers(
        &mut self,
        resolve: impl Fn(&str) -> Option<String>,
        known: &[String],
    ) -> Result<(), RequestError> {
        for name in self.servers.iter_mut().flatten() {
            match resolve(name) {
                Some(resolved) => *name = resolved,
                None => {
                    return Err(RequestError::UnknownServer {
                        name: shorten(name),
                        nearest: crate::nearest::nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
                        known: known.to_vec(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn check_code(code: &str) -> Result<(), RequestError> {
    let refuse = |found: String, accepted: &str, hint: &str| {
        Err(RequestError::Argument { field: "code".into(), found, accepted: accepted.into(), hint: hint.into() })
    };
    if code.trim().is_empty() {
        return refuse("it is empty".into(), "Python source", "put the program into `code`");
    }
    if let Some(at) = code.find('\0') {
        let line = code[..at].matches('\n').count() + 1;
        return refuse(
            format!("NUL byte in line {line}"),
            "Python source without NUL bytes",
            "write \\x00 in a literal",
        );
    }
    if code.len() > MAX_CODE {
        let found = format!("{} bytes", code.len());
        return refuse(found, "at most 16 MiB", "read the data inside the program, through an MCP server");
    }
    Ok(())
}

fn read_servers(value: Option<&Value>) -> Result<Option<Vec<String>>, RequestError> {
    let accepted = "a list of server names, such as [\"github\"]";
    match value {
        None | Some(Value::Null) => Ok(None),
        // A lone name is what was meant.
        Some(Value::String(name)) => Ok(Some(vec![name.clone()])),
        Some(Value::Array(items)) => {
            let mut names = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                match item {
                    Value::String(name) if !names.contains(name) => names.push(name.clone()),
                    Value::String(_) => {}
                    other => {
                        return Err(wrong(
                            &format!("servers[{index}]"),
                            Some(other),
                            "a server's name",
                            "name servers by strings",
                        ));
                    }
                }
            }
            Ok(Some(names))
        }
        other => Err(wrong("servers", other, accepted, "leave it out to reach every server")),
    }
}

fn read_session(given: Option<&Value>, reset: Option<&Value>) -> Result<Option<InSession>, RequestError> {
    let reset = match reset {
        None | Some(Value::Null) => false,
        Some(Value::Bool(reset)) => *reset,
        other => return Err(wrong("reset", other, "true or false", "leave it out to go on in the session")),
    };
    let name: Option<SessionName> = match given {
        None | Some(Value::Null) if reset => {
            let hint = "name the session that shall begin anew in `session`";
            return Err(wrong("reset", Some(&Value::Bool(true)), "true together with `session` only", hint));
        }
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => name.parse().ok(),
        Some(_) => None,
    };
    let hint = "name it by a word, such as \"analysis\"";
    name.map(|name| Some(InSession { name, reset })).ok_or_else(|| wrong("session", given, ACCEPTED, hint))
}

pub(super) fn wrong(field: &str, found: Option<&Value>, accepted: &str, hint: &str) -> RequestError {
    let found = match found {
        None => "it is missing".to_owned(),
        Some(Value::Null) => "it is null".to_owned(),
        Some(Value::Bool(b)) => format!("it is {b}"),
        Some(Value::Number(n)) => format!("it is {n}"),
        Some(Value::String(s)) => format!("it is the string {:?}", shorten(s)),
        Some(Value::Array(_)) => "it is a list".to_owned(),
        Some(Value::Object(_)) => "it is an object".to_owned(),
    };
    RequestError::Argument { field: field.to_owned(), found, accepted: accepted.to_owned(), hint: hint.to_owned() }
}

/// The first 80 letters: what a caller wrote is quoted, not repeated.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 80 { text.to_owned() } else { text.chars().take(80).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: Value) -> Result<RunRequest, RequestError> {
        RunRequest::read(value.as_object().unwrap(), Duration::from_secs(30), Duration::from_secs(120))
    }

    #[test]
    fn each_bad_argument_is_named_with_what_is_accepted() {
        for (arguments, field, said) in [
            (json!({}), "code", "missing"),
            (json!({"code": 7}), "code", "it is 7"),
            (json!({"code": ["x"]}), "code", "a list"),
            (json!({"code": "  \n"}), "code", "empty"),
            (json!({"code": "a\n\0"}), "code", "line 2"),
            (json!({"code": "x".repeat(MAX_CODE + 1)}), "code", "16 MiB"),
            (json!({"code": "1", "timeout": 0}), "timeout", "above 0"),
            (json!({"code": "1", "timeout": -3}), "timeout", "it is -3"),
            (json!({"code": "1", "timeout": "soon"}), "timeout", "soon"),
            (json!({"code": "1", "servers": 3}), "servers", "list of server names"),
            (json!({"code": "1", "servers": ["a", 3]}), "servers[1]", "it is 3"),
            (json!({"code": "1", "serverz": []}), "serverz", "no such argument"),
            (json!({"code": "1", "session": 7}), "session", "it is 7"),
            (json!({"code": "1", "session": "../x"}), "session", "1 to 64 ASCII letters"),
            (json!({"code": "1", "session": ""}), "session", "1 to 64 ASCII letters"),
            (json!({"code": "1", "session": "s", "reset": "yes"}), "reset", "true or false"),
            (json!({"code": "1", "reset": true}), "reset", "together with `session`"),
        ] {
            let error = read(arguments).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(field) && text.contains(said), "{text}");
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn a_long_timeout_is_cut_and_said() {
        let request = read(json!({"code": "1", "timeout": 1e9})).unwrap();
        assert_eq!(request.timeout, Duration::from_secs(120));
        assert!(request.notes[0].contains("120"));
        assert!(read(json!({"code": "1", "timeout": 2.5})).unwrap().notes.is_empty());
    }

    #[test]
    fn a_session_is_named_and_may_begin_anew() {
        let session = |value| read(value).unwrap().session.map(|it| (it.name.to_string(), it.reset));
        assert_eq!(session(json!({"code": "1", "session": null, "reset": false})), None);
        assert_eq!(session(json!({"code": "1", "session": "a"})), Some(("a".into(), false)));
        assert_eq!(session(json!({"code": "1", "session": "a", "reset": true})), Some(("a".into(), true)));
    }

    #[test]
    fn unknown_servers_have_a_near_match() {
        let known = ["github".to_owned(), "time".to_owned()];
        let mut request = read(json!({"code": "1", "servers": ["gihtub"]})).unwrap();
        let error = request.resolve_servers(|_| None, &known).unwrap_err();
        assert_eq!(error.to_string(), "MCP server \"gihtub\" is not loaded");
        assert!(error.hint().contains("github"));
    }

    proptest! {
        #[test]
        fn any_arguments_are_read_or_refused_without_panic(
            code in any::<Option<String>>(), timeout in any::<f64>(), servers in prop::collection::vec(".*", 0..3), extra in ".{0,5}",
        ) {
            let mut map = Map::new();
            if let Some(code) = code { map.insert("code".into(), code.into()); }
            map.insert("timeout".into(), json!(timeout));
            map.insert("servers".into(), json!(servers));
            if !extra.is_empty() { map.insert(extra, Value::Null); }
            if let Ok(request) = RunRequest::read(&map, Duration::from_secs(30), Duration::from_secs(120)) {
                prop_assert!(request.timeout <= Duration::from_secs(120) && !request.timeout.is_zero());
                prop_assert!(!request.code.trim().is_empty());
            }
        }
    }
}
