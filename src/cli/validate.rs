//! `mcp-bridge validate FILE`: every problem of a file, with its place, before anything is started with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Exit, config, found};
use crate::access::{self, AccessError};
use crate::discovery::{Discovery, GatewayFile, Key, Problem, Spot, State};
use crate::server::http;
use crate::settings::{Environment, HttpAuth, Settings, SettingsError, VARIABLES, WrittenIn, variable_of};

/// One thing that is wrong.
struct Fault {
    /// Where not in the file that is looked at, but in one that it names.
    file: Option<PathBuf>,
    line: Option<usize>,
    spot: Option<Spot>,
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
                json!({"file": fault.file(file), "line": fault.line, "column": fault.spot.map(|spot| spot.column), "code": fault.code,
                    "message": fault.message, "hint": fault.hint})
            })
            .collect();
        println!("{:#}", json!({"problems": all}));
    } else {
        for fault in &faults {
            let column = fault.spot.map(|spot| spot.column);
            let place: String = [fault.line, column].into_iter().flatten().map(|at| format!(":{at}")).collect();
            println!("{}{place}: {}; {}  [{}]", fault.file(file).display(), fault.message, fault.hint, fault.code);
        }
        if faults.is_empty() {
            println!("{}: nothing is wrong", file.display());
        }
    }
    if faults.is_empty() { Exit::Success } else { Exit::Error }
}

fn faults(env: Environment, path: &Path) -> Vec<Fault> {
    let file = match GatewayFile::read(path) {
        Ok(file) => file,
        Err(problem) => return vec![of_problem(&problem, None)],
    };
    let mut faults: Vec<Fault> = file.twice.iter().map(|(name, spot)| of_twice(path, name, *spot)).collect();
    let wrong = config::faults(&file).into_iter();
    faults.extend(wrong.map(|(key, message, hint)| Fault::new(key.spot, message, hint, "cli.validate_key")));
    // What this machine's variables say is not the file's fault: the file is looked at by itself.
    let others = env.vars().iter().filter(|(name, _)| !name.starts_with("MCP_"));
    let own: Environment = others.map(|(name, value)| (name.clone(), value.clone())).collect();
    let own = config::with_file(own, path, &file.keys);
    let errors = Settings::errors(&own);
    let good = errors.iter().fold(own, |env, error| env.without(error.variable()));
    let told: BTreeSet<Option<Spot>> = faults.iter().map(|fault| fault.spot).collect();
    let errors = errors.iter().map(|error| of_error(&file, error));
    faults.extend(errors.filter(|fault| fault.spot.is_none() || !told.contains(&fault.spot)));
    if let Ok(settings) = Settings::read(&good) {
        faults.extend(of_settings(&file, &good, &settings));
        faults.extend(of_servers(&file, &found::of_files(&good, &settings)));
    }
    faults.sort_by(|one, other| (&one.file, one.line, one.spot).cmp(&(&other.file, other.line, other.spot)));
    faults
}

impl Fault {
    fn new(spot: Option<Spot>, message: String, hint: impl Into<String>, code: &'static str) -> Self {
        let line = spot.map(|spot| spot.line);
        Self { file: None, line, spot, message, hint: hint.into(), code }
    }

    fn file<'f>(&'f self, looked_at: &'f Path) -> &'f Path {
        self.file.as_deref().unwrap_or(looked_at)
    }
}

fn of_problem(problem: &Problem, spot: Option<Spot>) -> Fault {
    let Problem { line, reason, hint, code, .. } = problem.clone();
    Fault { file: None, line: spot.map(|spot| spot.line).or(line), spot, message: reason, hint, code }
}

fn of_twice(path: &Path, name: &str, spot: Spot) -> Fault {
    of_problem(&Problem::twice(path, name, spot), Some(spot))
}

fn key<'f>(file: &'f GatewayFile, name: &str) -> Option<&'f Key> {
    file.keys.iter().find(|key| key.name == name)
}

/// A value that its setting does not take.
fn of_error(file: &GatewayFile, error: &SettingsError) -> Fault {
    let spot = match error.name().and_then(|name| name.written.as_deref()) {
        Some(WrittenIn::Key { name, .. }) => key(file, name).and_then(|key| key.spot),
        _ => None,
    };
    Fault::new(spot, error.to_string(), error.hint(), error.code())
}

/// What each value allows and all together do not.
fn of_settings(file: &GatewayFile, env: &Environment, settings: &Settings) -> Vec<Fault> {
    let mut faults = Vec::new();
    if settings.http.auth == HttpAuth::Off && !settings.http.address.ip().to_canonical().is_loopback() {
        let spot = key(file, "auth").or_else(|| key(file, "http_auth")).and_then(|key| key.spot);
        let message = format!("`auth` is off, and {} can be reached by others", settings.http.address);
        faults.push(Fault::new(spot, message, "take `auth` out, or listen at 127.0.0.1", "http.open"));
    }
    for key in &file.keys {
        let Some(name) = variable_of(&key.name) else { continue };
        let is_path = VARIABLES.iter().any(|variable| variable.name == name && variable.is_path());
        let Some(path) = env.get(name).filter(|path| is_path && !path.is_empty() && !path.contains("://")) else {
            continue;
        };
        // What the bridge writes itself is made when it is missing: the folder of state, and the trail in a folder that is there.
        let path = Path::new(path);
        let (wanted, there) = match name {
            "MCP_BRIDGE_STATE_DIR" => continue,
            "MCP_BRIDGE_AUDIT" => ("a folder for it", path.parent().is_some_and(Path::is_dir)),
            "MCP_BRIDGE_ROOTFS" => ("a folder", path.is_dir()),
            _ => ("a file", path.is_file()),
        };
        if !there {
            let message = format!("`{}`: expected {wanted}, found none at {}", key.name, path.display());
            faults.push(Fault::new(key.spot, message, "correct the path", "cli.validate_file"));
        }
    }
    if let Some((certificate, private)) =
        settings.http.tls.as_ref().filter(|(one, other)| one.exists() && other.exists())
        && let Err(error) = http::check_tls(certificate, private)
    {
        let spot = key(file, "tls_cert").and_then(|key| key.spot);
        faults.push(Fault::new(spot, error.to_string(), error.hint(), error.code()));
    }
    let rules = settings.guard.access.as_ref().filter(|file| file.exists());
    let wrong = rules.and_then(|file| Some((file, access::load(file).err()?)));
    faults.extend(wrong.into_iter().flat_map(|(file, all)| all.into_iter().map(|error| of_rules(file, &error))));
    faults
}

/// Something in the file of rules.
fn of_rules(file: &Path, error: &AccessError) -> Fault {
    let (said, place) = (error.to_string(), error.place());
    let message = place.and_then(|place| said.strip_prefix(&format!("{place}: ")).map(str::to_owned));
    let spot = place.map(|place| Spot { line: place.line, column: place.column });
    let fault = Fault::new(spot, message.unwrap_or(said), error.hint(), error.code());
    Fault { file: Some(file.to_owned()), ..fault }
}

fn of_servers(file: &GatewayFile, found: &Discovery) -> Vec<Fault> {
    let spot = |pointer: &Option<String>| file.spot(pointer.as_deref()?);
    let mut faults: Vec<Fault> =
        found.problems.iter().map(|problem| of_problem(problem, spot(&problem.pointer))).collect();
    for entry in &found.found {
        let spot = file.spot(&entry.origin.pointer);
        let fault = |message: &str, hint: &str| {
            Fault::new(spot, format!("server `{}`: {message}", entry.name), hint, "discovery.entry")
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
