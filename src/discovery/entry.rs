//! One entry of a config file, in whatever spelling its client uses, folded into one form. Nothing is expanded here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::remote;
use super::survival;
use super::words::{kind, nearest, shown, strangers};
use crate::upstream::config::{Era, Overrides, RemoteKind, Secret, Transport};

/// An entry as written: texts may still hold variables, and `cwd` is not yet a real path.
#[derive(Debug)]
pub(super) struct Entry {
    pub transport: Transport,
    pub call_timeout: Option<Duration>,
    pub description: Option<String>,
    pub survival: Overrides,
    pub switched_off: bool,
    pub era: Era,
    /// A `url` without a `type`: some clients skip such an entry.
    pub untyped_url: bool,
    pub warnings: Vec<String>,
}

/// A field that makes an entry unusable. Holds no value of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub field: String,
    pub found: String,
    pub accepted: &'static str,
}

impl Flaw {
    pub fn new(field: impl Into<String>, found: impl Into<String>, accepted: &'static str) -> Self {
        Self { field: field.into(), found: found.into(), accepted }
    }

    /// The member of the entry in which the field is.
    pub fn member(&self) -> &str {
        self.field.split(['.', '[']).next().unwrap_or_default()
    }

    /// The way to the field, below the entry.
    pub fn pointer(&self) -> String {
        let steps = self.field.split(['.', '[']).map(|step| step.trim_end_matches(']').replace('/', "~1"));
        steps.map(|step| format!("/{step}")).collect()
    }
}

/// Takes a member out of an entry; one without which there is no server gets a stand-in. Whether that was possible.
pub(super) fn without(entry: &mut Value, member: &str) -> bool {
    let Some(members) = entry.as_object_mut() else { return false };
    if COMMAND.contains(&member) {
        members.insert(member.to_owned(), "true".into());
        return true;
    }
    if URL.contains(&member) {
        members.insert(member.to_owned(), "http://localhost".into());
        return true;
    }
    let inner = |members: &mut Map<String, Value>| members.get_mut("transport")?.as_object_mut()?.remove(member);
    members.remove(member).or_else(|| inner(members)).is_some()
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}; accepted: {}", self.field, self.found, self.accepted)
    }
}

/// Spellings of one thing, the usual one first.
const COMMAND: &[&str] = &["command", "cmd"];
const ARGS: &[&str] = &["args"];
const ENV: &[&str] = &["env", "environment", "envs"];
const URL: &[&str] = &["url", "httpUrl", "serverUrl", "uri", "baseUrl"];
const HEADERS: &[&str] = &["headers"];
const TYPE: &[&str] = &["type", "transport", "transportType"];
const OTHER: &[&str] =
    &["cwd", "timeout", "disabled", "enabled", "description", "headersHelper", "oauth", "tls", "protocol"];

/// Keys of real clients which change nothing for us.
const HARMLESS: &[&str] = &[
    "alwaysAllow",
    "alwaysLoad",
    "autoApprove",
    "displayName",
    "icon",
    "id",
    "name",
    "role",
    "title",
    "trust",
    "$schema",
];
/// Keys of real clients whose owner expects something of them that we do not do.
const NOT_HONOURED: &[&str] =
    &["auth", "disabledTools", "envFile", "excludeTools", "includeTools", "toolPermissions", "tools"];

/// Below this a number means seconds: no client of our family takes so few milliseconds, and others write `30` or `30.0`.
const LEAST_MS: f64 = 1000.0;
/// A day: longer than any call, and short enough to be added to any clock.
const LONGEST_TIMEOUT_MS: f64 = 86_400_000.0;

/// Folds an entry into the one form, or says which field is wrong.
pub(super) fn parse(value: &Value) -> Result<Entry, Flaw> {
    let Value::Object(written) = value else {
        return Err(Flaw::new("the entry", kind(value), "an object with `command` or `url`"));
    };
    let members = &flatten(written);
    let mut warnings = unknown_keys(members);
    let command = pick(members, COMMAND).map(|(key, value)| Command::parse(key, value)).transpose()?;
    let url = pick(members, URL).map(|(key, value)| Ok((key, text(key, value)?))).transpose()?;
    let wanted = pick(members, TYPE).map(|(key, value)| Wanted::parse(key, value)).transpose()?;
    let mut untyped_url = false;

    let transport = match (wanted, command, url) {
        (Some(Wanted::Remote(_)), Some(_), None) => {
            return Err(Flaw::new("url", "missing", "the address of the server"));
        }
        (Some(Wanted::Stdio), None, _) => return Err(Flaw::new("command", "missing", "the program to start")),
        (Some(Wanted::Stdio) | None, Some(command), url) => {
            if let Some((key, _)) = url {
                warnings.push(format!("`{key}` is ignored beside `command`"));
            }
            stdio(command, members)?
        }
        (wanted, command, Some((_, url))) => {
            if command.is_some() {
                warnings.push("`command` is ignored, as `type` asks for a remote server".into());
            }
            untyped_url = wanted.is_none();
            let kind = match wanted {
                Some(Wanted::Remote(kind)) => kind,
                _ => RemoteKind::Unstated,
            };
            Transport::Remote {
                url: url.to_owned(),
                headers: texts(members, HEADERS)?,
                kind,
                access: remote::access(members, &mut warnings)?,
            }
        }
        (_, None, None) => return Err(neither(members)),
    };

    Ok(Entry {
        transport,
        call_timeout: timeout(members, &mut warnings)?,
        description: description(members, &mut warnings),
        survival: survival::overrides(members, &mut warnings)?,
        switched_off: switched_off(members)?,
        era: era(members)?,
        untyped_url,
        warnings,
    })
}

/// There is no program and no address; a key that was probably meant for one is named.
fn neither(members: &Map<String, Value>) -> Flaw {
    let slip = members.keys().find_map(|key| Some((key, nearest(key, &["command", "url"])?)));
    let found = slip.map_or("missing".to_owned(), |(key, near)| {
        format!("missing, and there is `{}` (did you mean `{near}`?)", shown(key))
    });
    Flaw::new("command", found, "`command` (a program) or `url` (an address)")
}

/// Members of a `transport` object stand as if they were written in the entry itself.
fn flatten(written: &Map<String, Value>) -> Map<String, Value> {
    let mut members = written.clone();
    if let Some(Value::Object(inner)) = members.get("transport") {
        let inner = inner.clone();
        members.remove("transport");
        for (key, value) in inner {
            members.entry(key).or_insert(value);
        }
    }
    members
}

/// The first spelling that is there and not null.
pub(super) fn pick<'m, 'k>(members: &'m Map<String, Value>, spellings: &[&'k str]) -> Option<(&'k str, &'m Value)> {
    spellings.iter().find_map(|key| members.get(*key).filter(|value| !value.is_null()).map(|value| (*key, value)))
}

/// `command` in its three forms: a string, a list that begins with the program, an object (`path`, `args`, `env`).
struct Command<'m> {
    program: &'m str,
    args: Vec<String>,
    env: BTreeMap<String, Secret>,
}

impl<'m> Command<'m> {
    fn parse(key: &str, value: &'m Value) -> Result<Self, Flaw> {
        const ACCEPTED: &str = "the program to start, as a string";
        match value {
            Value::String(_) => Ok(Self { program: text(key, value)?, args: Vec::new(), env: BTreeMap::new() }),
            Value::Array(words) => {
                let (first, rest) = words.split_first().ok_or_else(|| Flaw::new(key, "an empty list", ACCEPTED))?;
                let args = list(key, rest)?;
                Ok(Self { program: text(&format!("{key}[0]"), first)?, args, env: BTreeMap::new() })
            }
            Value::Object(inner) => {
                let path = inner.get("path").ok_or_else(|| Flaw::new(format!("{key}.path"), "missing", ACCEPTED))?;
                Ok(Self { program: text(&format!("{key}.path"), path)?, args: args(inner)?, env: texts(inner, ENV)? })
            }
            other => Err(Flaw::new(key, kind(other), ACCEPTED)),
        }
    }
}

fn stdio(command: Command<'_>, members: &Map<String, Value>) -> Result<Transport, Flaw> {
    let mut all_args = command.args;
    all_args.extend(args(members)?);
    let mut env = command.env;
    env.extend(texts(members, ENV)?);
    let cwd = pick(members, &["cwd"]).map(|(key, value)| text(key, value)).transpose()?;
    Ok(Transport::Stdio { command: command.program.to_owned(), args: all_args, env, cwd: cwd.map(PathBuf::from) })
}

fn args(members: &Map<String, Value>) -> Result<Vec<String>, Flaw> {
    match pick(members, ARGS) {
        None => Ok(Vec::new()),
        Some((key, Value::Array(items))) => list(key, items),
        Some((key, other)) => Err(Flaw::new(key, kind(other), "a list of strings")),
    }
}

fn list(key: &str, items: &[Value]) -> Result<Vec<String>, Flaw> {
    let item = |(index, value): (usize, &Value)| {
        scalar(value).ok_or_else(|| Flaw::new(format!("{key}[{index}]"), kind(value), "a string"))
    };
    items.iter().enumerate().map(item).collect()
}

/// Which era of the protocol the server is spoken to in.
fn era(members: &Map<String, Value>) -> Result<Era, Flaw> {
    const ACCEPTED: &str = "`auto`, or the date of a revision, such as `2025-11-25` or `2026-07-28`";
    let Some((key, value)) = pick(members, &["protocol"]) else { return Ok(Era::Any) };
    match text(key, value)? {
        "auto" => Ok(Era::Any),
        // Dates of this form are in order as texts.
        date if date.len() == 10 && date.starts_with("20") && date < "2026-07-28" => Ok(Era::Initialize),
        date if date.len() == 10 && date.starts_with("20") => Ok(Era::Discover),
        word => Err(Flaw::new(
            key,
            slip("no revision of the protocol", word, &["auto", "2025-11-25", "2026-07-28"]),
            ACCEPTED,
        )),
    }
}

/// An object of texts: numbers and booleans become text, and null means that the name is not set.
fn texts(members: &Map<String, Value>, spellings: &[&str]) -> Result<BTreeMap<String, Secret>, Flaw> {
    let Some((key, value)) = pick(members, spellings) else { return Ok(BTreeMap::new()) };
    let Value::Object(pairs) = value else {
        return Err(Flaw::new(key, kind(value), "an object of strings"));
    };
    let given = pairs.iter().filter(|(_, value)| !value.is_null());
    let pair = |(name, value): (&String, &Value)| {
        let text = scalar(value).ok_or_else(|| {
            Flaw::new(format!("{key}.{}", shown(name)), kind(value), "a string, a number, true, false or null")
        })?;
        Ok((name.clone(), Secret::new(text)))
    };
    given.map(pair).collect()
}

pub(super) fn text<'v>(key: &str, value: &'v Value) -> Result<&'v str, Flaw> {
    match value.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text),
        Some(_) => Err(Flaw::new(key, "an empty string", "a string that is not empty")),
        None => Err(Flaw::new(key, kind(value), "a string")),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// What the `type` word asks for.
#[derive(Clone, Copy)]
enum Wanted {
    Stdio,
    Remote(RemoteKind),
}

impl Wanted {
    fn parse(key: &str, value: &Value) -> Result<Self, Flaw> {
        const ACCEPTED: &str = "`stdio`, `http`, `sse` or `ws`";
        let word = text(key, value)?.to_ascii_lowercase().replace(['-', '_'], "");
        match word.as_str() {
            "stdio" | "local" => Ok(Self::Stdio),
            "http" | "https" | "remote" | "streamablehttp" | "streamable" => {
                Ok(Self::Remote(RemoteKind::StreamableHttp))
            }
            "sse" => Ok(Self::Remote(RemoteKind::Sse)),
            "ws" | "websocket" => Ok(Self::Remote(RemoteKind::WebSocket)),
            "sseide" | "wside" | "sdk" | "claudeaiproxy" => {
                Err(Flaw::new(key, "a transport that Claude Code keeps for itself", ACCEPTED))
            }
            word => Err(Flaw::new(
                key,
                slip("an unknown transport", word, &["stdio", "http", "sse", "websocket"]),
                ACCEPTED,
            )),
        }
    }
}

/// What is wrong with a word, and the known word that was most likely meant; never the word itself.
fn slip(wrong: &str, word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(|| wrong.to_owned(), |near| format!("{wrong} (did you mean `{near}`?)"))
}

fn timeout(members: &Map<String, Value>, warnings: &mut Vec<String>) -> Result<Option<Duration>, Flaw> {
    let Some((key, value)) = pick(members, &["timeout"]) else { return Ok(None) };
    let as_text = |value: &Value| value.as_str().and_then(|text| text.trim().parse::<f64>().ok());
    let ms = value.as_f64().or_else(|| as_text(value)).filter(|ms| ms.is_finite());
    let ms = ms.ok_or_else(|| {
        Flaw::new(key, kind(value), "a number of milliseconds, such as 60000, or of seconds under 1000")
    })?;
    if ms <= 0.0 {
        warnings.push("`timeout` is not above 0, so it is ignored".into());
        return Ok(None);
    }
    let ms = if ms < LEAST_MS { ms * 1000.0 } else { ms };
    if ms > LONGEST_TIMEOUT_MS {
        warnings.push("`timeout` is cut to a day (86400000 milliseconds)".into());
    }
    Ok(Some(Duration::from_millis(ms.min(LONGEST_TIMEOUT_MS) as u64)))
}

fn switched_off(members: &Map<String, Value>) -> Result<bool, Flaw> {
    let flag = |name: &'static str| match pick(members, &[name]) {
        None => Ok(None),
        Some((_, Value::Bool(flag))) => Ok(Some(*flag)),
        Some((key, other)) => Err(Flaw::new(key, kind(other), "true or false")),
    };
    // Where the two disagree, off is the safe reading.
    Ok(flag("disabled")? == Some(true) || flag("enabled")? == Some(false))
}

fn description(members: &Map<String, Value>, warnings: &mut Vec<String>) -> Option<String> {
    match pick(members, &["description"])? {
        (_, Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        (key, other) => {
            warnings.push(format!("`{key}` is {}, so it is ignored; accepted: a string", kind(other)));
            None
        }
    }
}

fn unknown_keys(members: &Map<String, Value>) -> Vec<String> {
    let known: Vec<&str> = [COMMAND, ARGS, ENV, URL, HEADERS, TYPE, OTHER, survival::KEYS].concat();
    let mut warnings = Vec::new();
    let ignored: Vec<&str> = NOT_HONOURED.iter().copied().filter(|key| members.contains_key(*key)).collect();
    if !ignored.is_empty() {
        warnings.push(format!("not supported, so ignored: `{}`", ignored.join("`, `")));
    }
    let strange = |key: &&String| {
        let key = key.as_str();
        !known.contains(&key) && !HARMLESS.contains(&key) && !NOT_HONOURED.contains(&key)
    };
    warnings.extend(strangers("unknown keys", members.keys().filter(strange), &known));
    warnings
}
