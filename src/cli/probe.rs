//! `mcp-bridge probe`: what is at an address, or behind a configured server.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::{Exit, found, login, paint, signals};
use crate::settings::{Environment, Settings};
use crate::upstream::config::{Access, RemoteKind, Secret, ServerConfig, Transport, check_address};
use crate::upstream::{self, ServerTools, UpstreamError, Upstreams};

pub(super) async fn probe(
    env: &Environment,
    settings: &Settings,
    target: &str,
    token: Option<String>,
    as_json: bool,
) -> Exit {
    let config = match config(env, settings, target, token) {
        Ok(config) => config,
        Err((message, hint)) => {
            eprintln!("{}", paint::failure(&message, &hint, "cli.probe"));
            return Exit::Usage;
        }
    };
    let name = config.name.clone();
    let transport = transport(&config);
    let options = upstream::Options {
        start_timeout: settings.start_timeout,
        inherit_env: env.vars().clone(),
        logins: Some(login::logins(settings)),
        ..upstream::Options::default()
    };
    let upstreams = Upstreams::new(vec![config], options);
    let begun = Instant::now();
    let listed = signals::until_interrupted(upstreams.tools(&name)).await;
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    upstreams.shutdown().await;
    match listed {
        None => Exit::Cancelled,
        Some(Ok(tools)) => {
            print(&tools, transport, milliseconds, as_json);
            Exit::Success
        }
        Some(Err(error)) => {
            let hint = if target.contains("://") { hint(&error) } else { error.hint() };
            eprintln!("{}", paint::failure(&one_line(&error.to_string()), &hint, error.code()));
            Exit::NoServer
        }
    }
}

/// What to do about an address that was typed: it has no entry that could be corrected.
fn hint(error: &UpstreamError) -> String {
    match error {
        UpstreamError::Unauthorized { .. } => "pass a token that is good there: --bearer-token TOKEN".into(),
        UpstreamError::Unreachable { .. } if error.to_string().contains("certificate") => {
            "its certificate is not trusted here: add its authority to the system's, or give the server an entry with `tls.ca`".into()
        }
        UpstreamError::Unreachable { .. } => "check the address, and that the server runs".into(),
        UpstreamError::HttpStatus { status: 429 | 500.., .. } => "look into the server's own log, or try again later".into(),
        UpstreamError::HttpStatus { .. } | UpstreamError::NotMcp { .. } => {
            "give the address of its MCP endpoint: often it ends in /mcp, /sse or, as ws://, in /ws".into()
        }
        UpstreamError::Interrupted { .. } => "check that it is http:// or https:// as the server wants, and try again".into(),
        UpstreamError::UnusableAddress { .. } => "correct the address or the token".into(),
        _ => error.hint(),
    }
}

/// A server may answer with a whole page.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An address that was typed, or the entry of this name.
fn config(
    env: &Environment,
    settings: &Settings,
    target: &str,
    token: Option<String>,
) -> Result<ServerConfig, (String, String)> {
    if !target.contains("://") {
        let found = found::discover(env, settings);
        let named = found.enabled().find(|found| found.config.name == target || found.name == target);
        return named.map(|found| found.config.clone()).ok_or_else(|| {
            (
                format!("there is no server {target:?}"),
                "name one of `mcp-bridge servers`, or an address with http://".into(),
            )
        });
    }
    check_address(target).map_err(|flaw| (format!("the address {flaw}"), "write it as http://host:port/mcp".into()))?;
    let headers = token.map(|token| ("Authorization".to_owned(), Secret::new(format!("Bearer {token}"))));
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let kind = if path.trim_end_matches('/').ends_with("/sse") { RemoteKind::Sse } else { RemoteKind::Unstated };
    let headers: BTreeMap<String, Secret> = headers.into_iter().collect();
    Ok(ServerConfig {
        name: "probe".into(),
        transport: Transport::Remote { url: target.to_owned(), headers, kind, access: Access::default() },
        call_timeout: None,
        description: None,
        era: Default::default(),
        survival: Default::default(),
        expanded: Vec::new(),
    })
}

fn transport(config: &ServerConfig) -> &'static str {
    match &config.transport {
        Transport::Stdio { .. } => "stdio",
        Transport::Remote { url, .. } if url.starts_with("ws") => "WebSocket",
        Transport::Remote { kind: RemoteKind::Sse, .. } => "SSE",
        Transport::Remote { .. } => "Streamable HTTP",
    }
}

fn print(tools: &ServerTools, transport: &str, milliseconds: f64, as_json: bool) {
    let names: Vec<&str> = tools.tools.iter().map(|tool| tool.name.as_str()).collect();
    let era = match tools.protocol.as_deref() {
        Some(version) if version >= "2026-07-28" => "stateless",
        _ => "initialize",
    };
    if as_json {
        let seen = json!({
            "transport": transport, "protocol": tools.protocol, "era": era, "title": tools.title, "version": tools.version,
            "tools": names, "ms": milliseconds,
        });
        println!("{seen:#}");
        return;
    }
    // A terminal obeys what it is shown, and a server may send anything.
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let known = |text: &Option<String>| text.as_deref().map_or("unknown".to_owned(), plain);
    println!("transport  {transport}");
    println!("protocol   {} ({era})", known(&tools.protocol));
    println!("server     {} {}", known(&tools.title), tools.version.as_deref().map(plain).unwrap_or_default());
    println!("time       {milliseconds:.0} ms to connect and list");
    println!("tools      {}", names.len());
    names.iter().for_each(|name| println!("    {}", plain(name)));
}
