//! `mcp-bridge servers`: what was discovered, where, and what is off and why.

use serde_json::json;

use super::bridge;
use super::{Exit, paint};
use crate::broker::Names;
use crate::discovery::{Discovery, Found, State};
use crate::settings::{Environment, Settings};
use crate::upstream::config::{Transport, host_of};

pub(super) fn servers(env: &Environment, settings: &Settings, as_json: bool) -> Exit {
    let found = bridge::discover(env, settings);
    let names = Names::new(found.enabled().map(|f| f.config.name.clone()));
    if as_json {
        print_json(&found, &names);
    } else {
        print_text(&found, &names);
    }
    Exit::Success
}

const EXAMPLE: &str = r#"{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}"#;

/// The state as a word, and its reason.
fn state(state: &State) -> (&'static str, Option<&str>) {
    match state {
        State::Enabled => ("on", None),
        State::Disabled { reason } => ("off", Some(reason)),
        State::PendingApproval { reason } => ("waits for approval", Some(reason)),
        State::Blocked { reason } => ("blocked", Some(reason)),
        State::NeedsInput { reason } => ("needs input", Some(reason)),
        State::Shadowed { reason } => ("shadowed", Some(reason)),
        State::Invalid { reason } => ("invalid", Some(reason)),
    }
}

/// The command, or the host of a remote server: arguments and addresses may hold secrets.
fn endpoint(found: &Found) -> String {
    match &found.config.transport {
        Transport::Stdio { command, .. } => command.clone(),
        Transport::Remote { url, .. } => host_of(url),
    }
}

fn print_text(found: &Discovery, names: &Names) {
    for entry in &found.found {
        let (word, reason) = state(&entry.state);
        let alias = names.alias(&entry.config.name).filter(|_| entry.state == State::Enabled);
        let object = alias.map(|alias| format!("  mcp_{alias}")).unwrap_or_default();
        println!("{}  [{word}]{object}  {}", entry.config.name, paint::dim(&endpoint(entry)));
        println!("    {}", paint::dim(&format!("from {}", entry.origin)));
        for origin in &entry.also {
            println!("    {}", paint::dim(&format!("also {origin}")));
        }
        for line in reason.into_iter().chain(entry.warnings.iter().map(String::as_str)) {
            println!("    {line}");
        }
    }
    if found.found.is_empty() {
        println!("No MCP servers were found. Add one to ~/.claude.json or ~/.config/mcp/servers/*.json:");
        println!("    {EXAMPLE}");
    }
    if !found.files.is_empty() {
        println!("\nFiles read:");
        for file in &found.files {
            println!("    {} ({}, {} servers)", file.path.display(), file.source, file.servers);
        }
    }
    for problem in &found.problems {
        println!("{} {problem}", paint::level(paint::Level::Warn));
    }
}

fn print_json(found: &Discovery, names: &Names) {
    let servers: Vec<_> = found
        .found
        .iter()
        .map(|entry| {
            let (word, reason) = state(&entry.state);
            json!({
                "name": entry.config.name,
                "alias": names.alias(&entry.config.name).filter(|_| entry.state == State::Enabled),
                "state": word,
                "reason": reason,
                "endpoint": endpoint(entry),
                "source": entry.origin.source,
                "file": entry.origin.file,
                "line": entry.origin.line,
                "also": entry.also.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "warnings": entry.warnings,
            })
        })
        .collect();
    let problems: Vec<_> = found
        .problems
        .iter()
        .map(|p| json!({"file": p.file, "line": p.line, "code": p.code, "reason": p.reason, "hint": p.hint}))
        .collect();
    println!("{:#}", json!({"servers": servers, "problems": problems}));
}
