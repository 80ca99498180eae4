//! `mcp-bridge servers`: what was discovered, where, what is off and why, and how running bridges fare with it.

use serde_json::json;

use super::{Exit, found, paint};
use crate::broker::Names;
use crate::discovery::{Discovery, Found, State};
use crate::settings::{Environment, Settings};
use crate::upstream::config::{Transport, host_of};

pub(super) async fn servers(env: &Environment, settings: &Settings, as_json: bool) -> Exit {
    let found = found::discover(env, settings);
    let names = Names::new(found.enabled().map(|f| f.config.name.clone()));
    let running = running(settings).await;
    if as_json {
        print_json(&found, &names, &running);
    } else {
        print_text(&found, &names, &running);
    }
    Exit::Success
}

/// How a server fares in a running bridge.
struct Running {
    server: String,
    /// For a person.
    line: String,
    json: serde_json::Value,
}

#[cfg(not(unix))]
async fn running(_: &Settings) -> Vec<Running> {
    Vec::new()
}

/// What running bridges say of the servers that they have tried. One that does not answer is left out: its files are listed all the
/// same.
#[cfg(unix)]
async fn running(settings: &Settings) -> Vec<Running> {
    use crate::control::{Answer, Question, addresses, ask};
    let mut running = Vec::new();
    for address in addresses(&settings.state_dir) {
        let answers = ask(&address, &Question::Servers).await.ok().flatten().unwrap_or_default();
        running.extend(answers.into_iter().filter_map(|answer| match answer {
            Answer::Server(server) if server.state != "not started" => Some(told(server, address.bridge)),
            _ => None,
        }));
    }
    running
}

/// What listens at a socket need not be a bridge, and a terminal obeys what it is shown.
#[cfg(unix)]
fn told(said: crate::control::Server, bridge: u32) -> Running {
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let (state, breaker) = (plain(&said.state), plain(&said.breaker));
    let error = said.error.as_deref().map(plain);
    let mut line = format!("bridge {bridge}: {state}");
    line += &said.tools.map(|count| format!(", {count} tools")).unwrap_or_default();
    if breaker != "closed" {
        line += &format!(", breaker {breaker}");
    }
    line += &said.next_try_s.map(|wait| format!(", next try in {:.0} s", wait.ceil())).unwrap_or_default();
    line += &error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
    let json = json!({
        "bridge": bridge, "state": state, "tools": said.tools, "breaker": breaker, "next_try_s": said.next_try_s,
        "error": error,
    });
    Running { server: said.server, line, json }
}

const EXAMPLE: &str = r#"{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}"#;

/// The state as a word, and its reason.
pub(super) fn state(state: &State) -> (&'static str, Option<&str>) {
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

fn print_text(found: &Discovery, names: &Names, running: &[Running]) {
    for entry in &found.found {
        let (word, reason) = state(&entry.state);
        let alias = names.alias(&entry.config.name).filter(|_| entry.state == State::Enabled);
        let object = alias.map(|alias| format!("  mcp_{alias}")).unwrap_or_default();
        println!("{}  [{word}]{object}  {}", entry.config.name, paint::dim(&endpoint(entry)));
        if !entry.aliases.is_empty() {
            println!("    {}", paint::dim(&format!("also called {}", entry.aliases.join(", "))));
        }
        println!("    {}", paint::dim(&format!("from {}", entry.origin)));
        for origin in &entry.also {
            println!("    {}", paint::dim(&format!("also {origin}")));
        }
        for line in reason.into_iter().chain(entry.warnings.iter().map(String::as_str)) {
            println!("    {line}");
        }
        for seen in seen_in(running, entry) {
            println!("    {}", seen.line);
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

/// What running bridges say of this entry.
fn seen_in<'r>(running: &'r [Running], entry: &'r Found) -> impl Iterator<Item = &'r Running> {
    running.iter().filter(|seen| entry.state == State::Enabled && seen.server == entry.config.name)
}

fn print_json(found: &Discovery, names: &Names, running: &[Running]) {
    let servers: Vec<_> = found
        .found
        .iter()
        .map(|entry| {
            let (word, reason) = state(&entry.state);
            json!({
                "name": entry.config.name,
                "also_called": entry.aliases,
                "alias": names.alias(&entry.config.name).filter(|_| entry.state == State::Enabled),
                "state": word,
                "reason": reason,
                "endpoint": endpoint(entry),
                "source": entry.origin.source,
                "file": entry.origin.file,
                "line": entry.origin.line,
                "also": entry.also.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "warnings": entry.warnings,
                "running": seen_in(running, entry).map(|seen| &seen.json).collect::<Vec<_>>(),
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
