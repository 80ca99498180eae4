//! `mcp-bridge validate FILE`: every problem of a file, with its place, before anything is started with it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Exit, found, start};
use crate::discovery::{Discovery, Key, Problem, State, gateway_keys};
use crate::nearest::nearest;
use crate::settings::{Environment, HttpAuth, Settings, SettingsError, VARIABLES};

/// One thing that is wrong.
struct Fault {
    line: Option<usize>,
    column: Option<usize>,
    /// What is wrong: what was expected, what was found.
    message: String,
    hint: String,
    code: &'static str,
}

pub(super) fn validate(env: Environment, file: &Path, as_json: bool) -> Exit {
    let faults = faults(env, file);
    if as_json {
        let all: Vec<Value> = faults
            .iter()
            .map(|fault| {
                json!({"file": file, "line": fault.line, "column": fault.column, "code": fault.code,
                    "message": fault.message, "hint": fault.hint})
            })
            .collect();
        println!("{:#}", json!({"problems": all}));
    } else {
        for fault in &faults {
            let place: String = [fault.line, fault.column].into_iter().flatten().map(|at| format!(":{at}")).collect();
            println!("{}{place}: {}; {}  [{}]", file.display(), fault.message, fault.hint, fault.code);
        }
        if faults.is_empty() {
            println!("{}: nothing is wrong", file.display());
        }
    }
    if faults.is_empty() { Exit::Success } else { Exit::Error }
}

fn faults(env: Environment, file: &Path) -> Vec<Fault> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let keys = match gateway_keys(file) {
        Ok(keys) => keys,
        Err(problem) => return vec![of_problem(&problem)],
    };
    let mut faults: Vec<Fault> = keys.iter().filter_map(|key| of_key(&text, key)).collect();
    // What this machine's variables say is not the file's fault: the file is looked at by itself.
    let others = env.vars().iter().filter(|(name, _)| !name.starts_with("MCP_"));
    let own: Environment = others.map(|(name, value)| (name.clone(), value.clone())).collect();
    let own = start::with_file(own, file, &keys);
    match Settings::read(&own) {
        Ok(settings) => {
            faults.extend(of_settings(&text, &keys, &settings));
            faults.extend(of_servers(&text, &found::discover(&own, &settings)));
        }
        Err(error) => {
            let known: BTreeSet<&str> = faults.iter().map(|fault| fault.code).collect();
            if !known.contains("cli.validate_key") || !matches!(error, SettingsError::Invalid { .. }) {
                faults.push(of_error(&text, &keys, &error));
            }
            // The servers are looked at all the same, with everything else as it is by default.
            let plain = start::with_file(Environment::default(), file, &[]);
            if let Ok(settings) = Settings::read(&plain) {
                faults.extend(of_servers(&text, &found::discover(&plain, &settings)));
            }
        }
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

fn of_problem(problem: &Problem) -> Fault {
    let Problem { line, reason, hint, code, .. } = problem.clone();
    Fault { line, column: line.map(|_| 1), message: reason, hint, code }
}

/// A key that means nothing, or whose value is of the wrong type.
fn of_key(text: &str, key: &Key) -> Option<Fault> {
    let fault = |message: String, hint: String| {
        let (line, column) = (key.line, column(text, key.line, &key.name));
        Some(Fault { line, column, message, hint, code: "cli.validate_key" })
    };
    let found = &key.value;
    match key.name.as_str() {
        "host" if !found.is_string() => {
            fault(format!("`host`: expected a name or an address, found {found}"), "write it in quotes".into())
        }
        "port" if found.as_u64().is_none_or(|port| port > 65_535) => fault(
            format!("`port`: expected a whole number from 0 to 65535, found {found}"),
            "choose one, e.g. 8000".into(),
        ),
        "hot_reload" | "json_logs" if !found.is_boolean() => {
            fault(format!("`{}`: expected true or false, found {found}", key.name), "write it without quotes".into())
        }
        "host" | "port" => None,
        name if start::variable(name).is_none() => {
            let known: Vec<String> = known().collect();
            let hint = match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it; `mcp-bridge settings` lists what there is".into(),
            };
            fault(format!("there is no key `{name}`"), hint)
        }
        _ => None,
    }
}

fn known() -> impl Iterator<Item = String> {
    let others = ["mcpServers", "host", "port", "auth", "tls_cert", "tls_key", "json_logs"].map(str::to_owned);
    let settings = VARIABLES.iter().filter_map(|variable| variable.name.strip_prefix("MCP_BRIDGE_"));
    others.into_iter().chain(settings.map(str::to_ascii_lowercase))
}

/// A value that its setting does not take.
fn of_error(text: &str, keys: &[Key], error: &SettingsError) -> Fault {
    let about = match error {
        SettingsError::Invalid { variable, .. }
        | SettingsError::Contradiction { variable, .. }
        | SettingsError::Lacks { variable, .. } => *variable,
        SettingsError::Unknown { .. } => "",
    };
    let written =
        |key: &&Key| start::variable(&key.name) == Some(about) || about == "MCP_BRIDGE_HTTP" && key.name == "host";
    let key = keys.iter().find(written);
    let line = key.and_then(|key| key.line);
    let column = key.and_then(|key| column(text, line, &key.name));
    Fault { line, column, message: error.to_string(), hint: error.hint(), code: error.code() }
}

/// What each value allows and all together do not.
fn of_settings(text: &str, keys: &[Key], settings: &Settings) -> Vec<Fault> {
    let at = |name: &str| {
        let line = keys.iter().find(|key| key.name == name).and_then(|key| key.line);
        (line, column(text, line, name))
    };
    let mut faults = Vec::new();
    if settings.http.auth == HttpAuth::Off && !settings.http.address.ip().to_canonical().is_loopback() {
        let (line, column) = at("auth");
        let message = format!("`auth` is off, and {} can be reached by others", settings.http.address);
        let hint = "take `auth` out, or listen at 127.0.0.1".into();
        faults.push(Fault { line, column, message, hint, code: "http.open" });
    }
    for key in keys {
        let Some(name) = start::variable(&key.name) else { continue };
        let is_path = VARIABLES.iter().any(|variable| variable.name == name && variable.accepts == "a path");
        // The folder of state is made when it is missing.
        if is_path && name != "MCP_BRIDGE_STATE_DIR" && key.value.as_str().is_some_and(|path| !Path::new(path).exists())
        {
            let (line, column) = at(&key.name);
            let message = format!("`{}`: expected a file, found none at {}", key.name, key.value);
            faults.push(Fault { line, column, message, hint: "correct the path".into(), code: "cli.validate_file" });
        }
    }
    faults
}

fn of_servers(text: &str, found: &Discovery) -> Vec<Fault> {
    let mut faults: Vec<Fault> = found.problems.iter().map(of_problem).collect();
    for entry in &found.found {
        let line = entry.origin.line;
        let column = column(text, line, &entry.name);
        let fault = |message: &str, hint: &str| Fault {
            line,
            column,
            message: format!("server `{}`: {message}", entry.name),
            hint: hint.to_owned(),
            code: "discovery.entry",
        };
        match &entry.state {
            // It is among the problems already.
            State::Invalid { .. } => {}
            State::NeedsInput { reason } => faults.push(fault(reason, "set it where the bridge is started")),
            State::Blocked { reason } => faults.push(fault(reason, "take the entry out")),
            _ => {}
        }
        faults.extend(entry.warnings.iter().map(|warning| fault(warning, "correct it")));
    }
    faults
}

/// The 1-based column of a key on its line.
fn column(text: &str, line: Option<usize>, name: &str) -> Option<usize> {
    let line = text.lines().nth(line?.checked_sub(1)?)?;
    let at = line.find(&format!("\"{name}\"")).or_else(|| line.find(name))?;
    Some(line[..at].chars().count() + 1)
}
