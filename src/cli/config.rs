//! `--config FILE`: the file's servers and no others, and its keys where neither a flag nor a variable says more.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::found;
use crate::discovery::{GatewayFile, Key, Problem};
use crate::nearest::nearest;
use crate::settings::{ADDRESS, CONFIG, Environment, Settings, VARIABLES, Written, WrittenIn, keys, variable_of};

pub(super) const DEFAULT_HOST: &str = "127.0.0.1";
pub(super) const DEFAULT_PORT: &str = "8000";

/// The file that the command line names, or else the variable.
pub(super) fn file(env: &Environment, named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| env.get(CONFIG).filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// The environment with the file in it: variables that are not set take their values from it; what they may be, `Settings` says.
pub(super) fn with_file(env: Environment, file: &Path, keys: &[Key]) -> Environment {
    let folder = folder_of(file);
    let find = |name: &str| keys.iter().find(|key| key.name == name);
    // Of the two, the one that is wrong is to be named.
    let part = match (find("host"), find("port")) {
        (host, Some(port)) if host.is_none() || plain(&port.value).parse::<u16>().is_err() => Some(port),
        (host, _) => host,
    };
    let address = part.map(|part| {
        let text = |name: &str, default: &str| find(name).map_or(default.to_owned(), |key| plain(&key.value));
        (part, ADDRESS, joined(&text("host", DEFAULT_HOST), &text("port", DEFAULT_PORT)))
    });
    let others = keys.iter().filter(|key| !matches!(key.name.as_str(), "host" | "port"));
    let others = others.filter_map(|key| {
        let variable = variable_of(&key.name)?;
        Some((key, variable, placed(variable, value(key), &folder)))
    });
    let own = env.clone().with("MCP_BRIDGE_SOURCES", "").with(CONFIG, file.display().to_string());
    let own = own.with("MCP_SERVERS_CONFIG", file.display().to_string());
    others.chain(address).fold(own, |own, (key, variable, value)| match env.get(variable) {
        Some(_) => own,
        None => own.with_written(variable, value, written(file, key)),
    })
}

fn written(file: &Path, key: &Key) -> Written {
    let line = key.spot.map(|spot| spot.line);
    let place = WrittenIn::Key { name: key.name.clone(), file: file.to_owned(), line };
    Written { place, text: plain(&key.value) }
}

/// Where a relative path of the file begins, as one of its servers' `cwd` does.
fn folder_of(file: &Path) -> PathBuf {
    let whole = file.canonicalize().or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned());
    whole.parent().map(Path::to_owned).unwrap_or_default()
}

/// A path as the file means it; what is no path stays.
fn placed(variable: &str, text: String, folder: &Path) -> String {
    let is_path = VARIABLES.iter().any(|known| known.name == variable && known.is_path());
    if !is_path || text.is_empty() || text.contains("://") {
        return text;
    }
    match text.strip_prefix("~/") {
        Some(rest) => found::home().join(rest),
        None => folder.join(&text),
    }
    .display()
    .to_string()
}

/// A key's value as its variable would hold it.
fn value(key: &Key) -> String {
    let text = plain(&key.value);
    match (key.name.as_str(), text.to_ascii_lowercase().as_str()) {
        ("json_logs", "true") => "json".into(),
        ("json_logs", "false") => "text".into(),
        _ => text,
    }
}

/// An address of version 6 stands in brackets.
pub(super) fn joined(host: &str, port: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As text: a string without its quotes, a list with commas between.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// What is wrong with the keys, whatever their settings make of them: each with the key.
pub(super) fn faults(file: &GatewayFile) -> Vec<(&Key, String, String)> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for key in &file.keys {
        faults.extend(fault(key).map(|(message, hint)| (key, message, hint)));
        let Some(variable) = variable_of(&key.name) else { continue };
        match before.insert(variable, &key.name) {
            Some(other) if !(matches!(other, "host" | "port") && matches!(key.name.as_str(), "host" | "port")) => {
                let message = format!("`{}` and `{other}` are one setting, and only one of them counts", key.name);
                faults.push((key, message, "take one of them out".into()));
            }
            _ => {}
        }
    }
    faults
}

/// A key that means nothing, or whose value is of the wrong type.
fn fault(key: &Key) -> Option<(String, String)> {
    let found = &key.value;
    match key.name.as_str() {
        "host" if !found.is_string() => {
            Some((format!("`host`: expected a name or an address, found {found}"), "write it in quotes".into()))
        }
        "port" if found.as_u64().is_none_or(|port| port > 65_535) => Some((
            format!("`port`: expected a whole number from 0 to 65535, found {found}"),
            "choose one, e.g. 8000".into(),
        )),
        "hot_reload" | "json_logs" if !found.is_boolean() => {
            Some((format!("`{}`: expected true or false, found {found}", key.name), "write it without quotes".into()))
        }
        name if variable_of(name).is_none() => {
            let known: Vec<String> = keys().collect();
            let hint = match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it; `mcp-bridge settings` lists what there is".into(),
            };
            Some((format!("there is no key `{name}`"), hint))
        }
        _ => None,
    }
}

/// What is to be said of the file's keys where servers are looked for: what is wrong with them, and what has changed since this
/// environment was made of them.
pub(super) fn problems(env: &Environment) -> Vec<Problem> {
    let Some(path) = file(env, None) else { return Vec::new() };
    // One that cannot be read is told where its servers are.
    let Ok(file) = GatewayFile::read(&path) else { return Vec::new() };
    let problem = |key: &str, code, reason, hint| {
        let key = file.keys.iter().find(|known| known.name == key);
        let line = key.and_then(|key| key.spot).map(|spot| spot.line);
        Problem { file: Some(path.clone()), line, pointer: None, code, reason, hint, kept: false }
    };
    let mut problems: Vec<Problem> = file.twice.iter().map(|(name, spot)| Problem::twice(&path, name, *spot)).collect();
    let faults = faults(&file).into_iter();
    problems.extend(faults.map(|(key, reason, hint)| problem(&key.name, "cli.validate_key", reason, hint)));

    let fresh = with_file(env.clone().without_file(), &path, &file.keys);
    if fresh.vars() == env.vars() {
        return problems;
    }
    for name in changed(env, &fresh) {
        let reason = format!("`{name}` has changed since the bridge was started");
        problems.push(problem(&name, "reload.next_start", reason, "it takes effect at the next start".into()));
    }
    for error in Settings::errors(&fresh) {
        let Some(WrittenIn::Key { name, .. }) = error.name().and_then(|name| name.written.as_deref()) else { continue };
        problems.push(problem(name, error.code(), error.to_string(), error.hint()));
    }
    problems
}

/// The keys by which these two differ.
fn changed(before: &Environment, now: &Environment) -> Vec<String> {
    let differ = VARIABLES.iter().map(|variable| variable.name).filter(|name| before.get(name) != now.get(name));
    let key = |variable: &str| {
        let place = now.written(variable).or(before.written(variable)).map(|written| &written.place);
        let Some(WrittenIn::Key { name, .. }) = place else { return None };
        let port = |env: &Environment| env.get(variable)?.rsplit_once(':').map(|(_, port)| port.to_owned());
        let is_port = name == "host" && port(before) != port(now);
        Some(if is_port { "port".to_owned() } else { name.clone() })
    };
    differ.filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str, value: Value) -> Key {
        Key { name: name.into(), value, spot: None }
    }

    #[test]
    fn variables_come_before_the_file() {
        let keys = [key("host", json!("0.0.0.0")), key("port", json!(9000)), key("log_level", json!("WARNING"))];
        let of = |env: Environment| with_file(env, Path::new("/c.json"), &keys);
        let of_file = of(Environment::default());
        assert_eq!(of_file.get(ADDRESS), Some("0.0.0.0:9000"));
        assert_eq!(of_file.get("MCP_BRIDGE_LOG_LEVEL"), Some("WARNING"));
        let of_both = of(Environment::default().with(ADDRESS, "127.0.0.1:1"));
        assert_eq!(of_both.get(ADDRESS), Some("127.0.0.1:1"));
        assert_eq!(of_both.without_file().get("MCP_BRIDGE_LOG_LEVEL"), None);
    }

    #[test]
    fn paths_begin_at_the_files_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        let keys = [
            key("audit", json!("logs/audit.jsonl")),
            key("tls_key", json!("/abs/key.pem")),
            key("http_jwt_keys", json!("https://login.example.com/jwks")),
            key("image", json!("python:3.14")),
            key("access", json!("")),
        ];
        let env = with_file(Environment::default(), &root.join("c.json"), &keys);
        let audit = root.join("logs/audit.jsonl").display().to_string();
        assert_eq!(env.get("MCP_BRIDGE_AUDIT"), Some(audit.as_str()));
        assert_eq!(env.get("MCP_BRIDGE_HTTP_TLS_KEY"), Some("/abs/key.pem"));
        assert_eq!(env.get("MCP_BRIDGE_HTTP_JWT_KEYS"), Some("https://login.example.com/jwks"));
        assert_eq!((env.get("MCP_BRIDGE_IMAGE"), env.get("MCP_BRIDGE_ACCESS")), (Some("python:3.14"), Some("")));
    }
}
