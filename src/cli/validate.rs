//! `mcp-bridge validate FILE`: every problem of a file, with its place, before anything is started with it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Exit, found, start};
use crate::access::{self, AccessError};
use crate::discovery::{Discovery, Key, Problem, State, gateway_keys};
use crate::nearest::nearest;
use crate::server::http;
use crate::settings::{Environment, HttpAuth, Settings, SettingsError, VARIABLES};

/// One thing that is wrong.
struct Fault {
    /// The file itself, or one that it names.
    file: PathBuf,
    line: Option<usize>,
    column: Option<usize>,
    /// What is wrong: what was expected, what was found.
    message: String,
    hint: String,
    code: &'static str,
}

/// The file that is looked at.
struct Looked<'a> {
    file: &'a Path,
    text: String,
}

pub(super) fn validate(env: Environment, file: &Path, as_json: bool) -> Exit {
    let looked = Looked { file, text: std::fs::read_to_string(file).unwrap_or_default() };
    let mut faults = looked.faults(env);
    faults.sort_by(|one, other| (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column)));
    if as_json {
        let all: Vec<Value> = faults
            .iter()
            .map(|fault| {
                json!({"file": fault.file, "line": fault.line, "column": fault.column, "code": fault.code,
                    "message": fault.message, "hint": fault.hint})
            })
            .collect();
        println!("{:#}", json!({"problems": all}));
    } else {
        for fault in &faults {
            let place: String = [fault.line, fault.column].into_iter().flatten().map(|at| format!(":{at}")).collect();
            println!("{}{place}: {}; {}  [{}]", fault.file.display(), fault.message, fault.hint, fault.code);
        }
        if faults.is_empty() {
            println!("{}: nothing is wrong", file.display());
        }
    }
    if faults.is_empty() { Exit::Success } else { Exit::Error }
}

impl Looked<'_> {
    fn faults(&self, env: Environment) -> Vec<Fault> {
        let keys = match gateway_keys(self.file) {
            Ok(keys) => keys,
            Err(problem) => return vec![self.of_problem(&problem)],
        };
        // What this machine's variables say is not the file's fault: the file is looked at by itself.
        let others = env.vars().iter().filter(|(name, _)| !name.starts_with("MCP_"));
        let own: Environment = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        let (mut faults, mut good) = (Vec::new(), Vec::new());
        for key in keys {
            match self.of_key(&key).or_else(|| self.of_value(&own, &key)) {
                Some(fault) => faults.push(fault),
                None => good.push(key),
            }
        }
        loop {
            let whole = start::with_file(own.clone(), self.file, &good);
            let error = match Settings::read(&whole) {
                Ok(settings) => {
                    faults.extend(self.of_settings(&good, &settings));
                    faults.extend(self.of_servers(&found::discover(&whole, &settings)));
                    return faults;
                }
                Err(error) => error,
            };
            faults.push(self.of_error(&good, &error));
            // What is right by itself contradicts something else: the rest is looked at without it.
            let all = good.len();
            good.retain(|key| !is_about(&error, key));
            match good.len() {
                0 if all == 0 => return faults,
                left if left == all => good.clear(),
                _ => {}
            }
        }
    }

    fn fault(&self, key: Option<&Key>, message: String, hint: String, code: &'static str) -> Fault {
        let line = key.and_then(|key| key.line);
        let column = key.and_then(|key| self.column(line, &key.name));
        Fault { file: self.file.to_owned(), line, column, message, hint, code }
    }

    fn of_problem(&self, problem: &Problem) -> Fault {
        let Problem { line, reason, hint, code, .. } = problem.clone();
        let text = line.and_then(|line| self.text.lines().nth(line.checked_sub(1)?));
        // Nothing says where on its line it is: where that begins.
        let column = line.map(|_| text.map_or(0, |text| text.chars().take_while(|c| c.is_whitespace()).count()) + 1);
        Fault { file: self.file.to_owned(), line, column, message: reason, hint, code }
    }

    /// A key that means nothing, or whose value is of the wrong type.
    fn of_key(&self, key: &Key) -> Option<Fault> {
        let fault = |message: String, hint: &str| Some(self.fault(Some(key), message, hint.into(), "cli.validate_key"));
        let found = &key.value;
        match key.name.as_str() {
            "host" if !found.is_string() => {
                fault(format!("`host`: expected a name or an address, found {found}"), "write it in quotes")
            }
            "port" if found.as_u64().is_none_or(|port| port > 65_535) => fault(
                format!("`port`: expected a whole number from 0 to 65535, found {found}"),
                "choose one, e.g. 8000",
            ),
            "hot_reload" | "json_logs" if !found.is_boolean() => {
                fault(format!("`{}`: expected true or false, found {found}", key.name), "write it without quotes")
            }
            "host" | "port" => None,
            name if start::variable(name).is_none() => {
                let known: Vec<String> = known().collect();
                let hint = match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "remove it; `mcp-bridge settings` lists what there is".into(),
                };
                fault(format!("there is no key `{name}`"), &hint)
            }
            _ => None,
        }
    }

    /// A value that its setting does not take, whatever the others are.
    fn of_value(&self, own: &Environment, key: &Key) -> Option<Fault> {
        let alone = std::slice::from_ref(key);
        match Settings::read(&start::with_file(own.clone(), self.file, alone)) {
            Err(error @ SettingsError::Invalid { .. }) => Some(self.of_error(alone, &error)),
            _ => None,
        }
    }

    fn of_error(&self, keys: &[Key], error: &SettingsError) -> Fault {
        let key = keys.iter().find(|key| is_about(error, key));
        let message = match (error, key) {
            (SettingsError::Invalid { value, accepts, .. }, Some(key)) => {
                format!("`{}`: expected {accepts}, found {value:?}", key.name)
            }
            _ => error.to_string(),
        };
        self.fault(key, message, error.hint(), error.code())
    }

    /// What each value allows and all together do not; and the files that are named.
    fn of_settings(&self, keys: &[Key], settings: &Settings) -> Vec<Fault> {
        let of = |name: &str| keys.iter().find(|key| key.name == name);
        let mut faults = Vec::new();
        if settings.http.auth == HttpAuth::Off && !settings.http.address.ip().to_canonical().is_loopback() {
            let message = format!("`auth` is off, and {} can be reached by others", settings.http.address);
            let hint = "take `auth` out, or listen at 127.0.0.1".into();
            faults.push(self.fault(of("auth"), message, hint, "http.open"));
        }
        for key in keys {
            let Some(name) = start::variable(&key.name) else { continue };
            let is_path = VARIABLES.iter().any(|variable| variable.name == name && variable.accepts == "a path");
            // These are made when they are missing.
            let is_made = ["MCP_BRIDGE_STATE_DIR", "MCP_BRIDGE_AUDIT"].contains(&name);
            if is_path && !is_made && key.value.as_str().is_some_and(|path| !Path::new(path).exists()) {
                let message = format!("`{}`: expected a file, found none at {}", key.name, key.value);
                faults.push(self.fault(Some(key), message, "correct the path".into(), "cli.validate_file"));
            }
        }
        if let Some((certificate, key)) =
            settings.http.tls.as_ref().filter(|(one, other)| one.exists() && other.exists())
            && let Err(error) = http::check_tls(certificate, key)
        {
            faults.push(self.fault(of("tls_cert"), error.to_string(), error.hint(), error.code()));
        }
        let rules = settings.guard.access.as_ref().filter(|file| file.exists());
        let wrong = rules.and_then(|file| Some((file, access::load(file).err()?)));
        faults.extend(wrong.into_iter().flat_map(|(file, all)| all.into_iter().map(|error| of_rules(file, &error))));
        faults
    }

    fn of_servers(&self, found: &Discovery) -> Vec<Fault> {
        let mut faults: Vec<Fault> = found.problems.iter().map(|problem| self.of_problem(problem)).collect();
        for entry in &found.found {
            let line = entry.origin.line;
            let column = self.column(line, &entry.name);
            let fault = |message: &str, hint: &str| Fault {
                file: self.file.to_owned(),
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
    fn column(&self, line: Option<usize>, name: &str) -> Option<usize> {
        let line = self.text.lines().nth(line?.checked_sub(1)?)?;
        let at = line.find(&format!("\"{name}\"")).or_else(|| line.find(name))?;
        Some(line[..at].chars().count() + 1)
    }
}

/// Something in the file of rules.
fn of_rules(file: &Path, error: &AccessError) -> Fault {
    let (hint, code, said, place) = (error.hint(), error.code(), error.to_string(), error.place());
    let message = place.and_then(|place| said.strip_prefix(&format!("{place}: ")).map(str::to_owned));
    let [line, column] = [place.map(|place| place.line), place.map(|place| place.column)];
    Fault { file: file.to_owned(), line, column, message: message.unwrap_or(said), hint, code }
}

/// Whether what is wrong is, or is also, what this key says.
fn is_about(error: &SettingsError, key: &Key) -> bool {
    let variable = match error {
        SettingsError::Invalid { variable, .. }
        | SettingsError::Contradiction { variable, .. }
        | SettingsError::Lacks { variable, .. } => *variable,
        SettingsError::Unknown { .. } => return false,
    };
    start::variable(&key.name) == Some(variable)
        || (variable == "MCP_BRIDGE_HTTP" && ["host", "port"].contains(&key.name.as_str()))
}

fn known() -> impl Iterator<Item = String> {
    let others = ["mcpServers", "host", "port", "auth", "tls_cert", "tls_key", "json_logs"].map(str::to_owned);
    let settings = VARIABLES.iter().filter_map(|variable| variable.name.strip_prefix("MCP_BRIDGE_"));
    others.into_iter().chain(settings.map(str::to_ascii_lowercase))
}
