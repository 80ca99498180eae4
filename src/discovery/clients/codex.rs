//! Codex: TOML, and its files are one configuration, field by field.

use serde_json::{Map, Value, json};

use super::{Folded, Lookup, object, rename};
use crate::discovery::Scope;
use crate::discovery::sources::{ANY, Base, LINUX, MACOS, Owner, ROW, Root, Source, WINDOWS, spot};
use crate::discovery::syntax::Syntax;
use crate::upstream::config::RemoteKind;

const CODEX_ROW: Source = Source {
    id: "codex",
    rank: 70,
    syntax: Syntax::Toml,
    root: Root::Keys(&["mcp_servers"]),
    bare_url: RemoteKind::StreamableHttp,
    owner: Owner::Codex,
    fold,
    layered: true,
    ..ROW
};

/// From the highest layer to the lowest.
pub(super) static SOURCES: &[Source] = &[
    Source {
        scope: Scope::Project,
        rank: 41,
        spots: &[spot(ANY, Base::Repository, ".codex/config.toml")],
        ..CODEX_ROW
    },
    Source { spots: &[spot(ANY, Base::Variable("CODEX_HOME", ".codex"), "config.toml")], ..CODEX_ROW },
    Source {
        scope: Scope::Managed,
        spots: &[
            spot(LINUX, Base::System, "etc/codex/config.toml"),
            spot(MACOS, Base::System, "etc/codex/config.toml"),
            spot(WINDOWS, Base::System, "ProgramData/OpenAI/Codex/config.toml"),
        ],
        ..CODEX_ROW
    },
];

/// What a server needs to be reached.
const KEPT: &[&str] =
    &["command", "args", "env", "cwd", "url", "enabled", "headers", "timeout", "includeTools", "excludeTools", "oauth"];

/// Variables are named, not written into text: `env_vars`, `bearer_token_env_var`, `env_http_headers`.
fn fold(entry: &Value, lookup: &Lookup) -> Folded {
    let Value::Object(written) = entry else { return Folded::plain(entry.clone()) };
    let mut members = written.clone();
    let (mut needs, mut warnings) = (Vec::new(), Vec::new());
    if members.contains_key("command") && members.contains_key("url") {
        warnings.push("Codex refuses its whole configuration for an entry with both `command` and `url`".into());
    }
    if members.remove("bearer_token").is_some() {
        warnings.push(
            "Codex refuses a `bearer_token` that is written out; name a variable in `bearer_token_env_var`".into(),
        );
    }
    rename(&mut members, "http_headers", "headers");
    rename(&mut members, "http_headers_helper", "headersHelper");
    rename(&mut members, "enabled_tools", "includeTools");
    rename(&mut members, "disabled_tools", "excludeTools");
    if members.get("excludeTools").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        members.remove("excludeTools");
    }
    if let Some(seconds) = members.remove("tool_timeout_sec").as_ref().and_then(Value::as_f64) {
        members.insert("timeout".into(), json!(seconds * 1000.0));
    }

    for name in passed_on(written) {
        // One that is not set is not passed on, as everywhere.
        if let (Some(value), Some(env)) = (lookup.var_if_set(&name), object(&mut members, "env")) {
            env.entry(name).or_insert(value.into());
        }
    }
    if let Some(name) = written.get("bearer_token_env_var").and_then(Value::as_str) {
        match lookup.var(name) {
            Some(token) => header(&mut members, "Authorization", format!("Bearer {token}")),
            None => needs.push(format!("`bearer_token_env_var` needs the variable `{}`", super::shown(name))),
        }
    }
    for (header_name, variable) in written.get("env_http_headers").and_then(Value::as_object).into_iter().flatten() {
        let Some(variable) = variable.as_str() else { continue };
        match lookup.var(variable) {
            Some(value) => header(&mut members, header_name, value),
            None => needs.push(format!("`env_http_headers` needs the variable `{}`", super::shown(variable))),
        }
    }
    // Codex writes what is asked for beside `oauth`.
    if let Some(scopes) = members.remove("scopes")
        && let Some(oauth) = object(&mut members, "oauth")
    {
        oauth.entry("scopes").or_insert(scopes);
    }
    members.retain(|key, _| KEPT.contains(&key.as_str()) || key == "headersHelper");
    Folded::Entry { entry: Value::Object(members), needs, warnings, off: None }
}

/// The names in `env_vars`: `"NAME"` or `{name = "NAME", source = "local"}`.
fn passed_on(entry: &Map<String, Value>) -> Vec<String> {
    let listed = entry.get("env_vars").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(|item| item.as_str().or_else(|| item.get("name").and_then(Value::as_str)))
        .map(str::to_owned)
        .collect()
}

fn header(members: &mut Map<String, Value>, name: &str, value: String) {
    if let Some(headers) = object(members, "headers") {
        headers.insert(name.to_owned(), value.into());
    }
}
