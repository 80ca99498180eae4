//! How the bridge fares: `GET /health` for people and machines that watch, `GET /metrics` for Prometheus.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::auth::Who;
use super::counts::gauge;
use super::error::HttpError;
use super::reply::{self, Reply};
use super::site::Site;
use crate::audit::{Health, Trail};
use crate::broker::Seen;
use crate::gateway::{BreakerState, ServerSummary};
use crate::upstream::ServerState;

/// `?live` asks only whether the process answers. Else 503 says that it takes no new requests. What the servers are called, and what is
/// wrong with them, is for callers who may use them.
pub(super) fn health(site: &Arc<Site>, who: Option<&Who>, query: &str) -> Reply {
    if query.split('&').any(|part| part == "live" || part.starts_with("live=")) {
        return reply::json(StatusCode::OK, &json!({"status": "live"}));
    }
    let draining = site.draining.is_cancelled();
    let seen = who.map(|who| seen(site, who));
    let servers = seen.as_ref().map(Seen::servers);
    let trail = who.and_then(|_| trail(site));
    let down = servers.iter().flatten().any(is_down) || trail.iter().any(|trail| trail.trouble.is_some());
    let word = match (draining, down) {
        (true, _) => "draining",
        (false, true) => "degraded",
        (false, false) => "ok",
    };
    let mut body = json!({"status": word, "version": env!("CARGO_PKG_VERSION")});
    if let (Some(seen), Some(servers)) = (&seen, servers) {
        body["servers"] = servers.iter().map(|server| told(seen, server)).collect::<Value>();
    }
    if let Some(Health { missing, breaks, trouble }) = trail {
        body["audit"] = json!({"missing": missing, "breaks": breaks, "trouble": trouble});
    }
    if draining { reply::refuse_with(&HttpError::Draining, &body) } else { reply::json(StatusCode::OK, &body) }
}

fn seen(site: &Site, who: &Who) -> Seen {
    let (shared, view) = site.seen(who);
    Seen::new(shared, view)
}

/// How the audit trail fares, where there is one.
fn trail(site: &Site) -> Option<Health> {
    site.template.runs.shared().trail().map(Trail::health)
}

/// How one server fares.
fn told(seen: &Seen, server: &ServerSummary) -> Value {
    /// Of a server's last words enough to know what it is about.
    const LONGEST: usize = 1000;
    let error = server.error().map(|error| error.chars().take(LONGEST).collect::<String>());
    json!({
        "name": server.name, "state": server.state.word(), "breaker": server.breaker.word(), "tools": seen.tools(server),
        "error": error, "next_try_s": server.next_try().map(|wait| wait.as_secs_f64()),
    })
}

/// It failed, or is left alone.
fn is_down(server: &ServerSummary) -> bool {
    matches!(server.state, ServerState::Failed { .. }) || !matches!(server.breaker, BreakerState::Closed)
}

/// Text of Prometheus (exposition format 0.0.4).
pub(super) fn metrics(site: &Arc<Site>, who: &Who) -> Reply {
    let mut text = site.counts.text();
    text += &gauge("mcp_bridge_http_connections", "Connections that are open.", site.places.count());
    text += &gauge("mcp_bridge_http_sessions", "MCP sessions that are open.", site.sessions.count());
    text += &gauge("mcp_bridge_requests_in_flight", "MCP requests and tool calls under way.", site.busy.len());
    text +=
        &gauge("mcp_bridge_draining", "1 when new requests are refused.", usize::from(site.draining.is_cancelled()));
    let seen = seen(site, who);
    let servers = seen.servers();
    let mut family = |name: &str, help: &str, value: &dyn Fn(&ServerSummary) -> Option<usize>| {
        text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        for server in &servers {
            if let Some(value) = value(server) {
                text += &format!("{name}{{server=\"{}\"}} {value}\n", escaped(&server.name));
            }
        }
    };
    family("mcp_bridge_server_up", "1 unless the server failed or is left alone.", &|server| {
        Some(usize::from(!is_down(server)))
    });
    family("mcp_bridge_server_breaker_open", "1 when calls are refused for a while.", &|server| {
        Some(usize::from(!matches!(server.breaker, BreakerState::Closed)))
    });
    family("mcp_bridge_server_tools", "Tools that the server has listed.", &|server| seen.tools(server));
    if let Some(trail) = trail(site) {
        let missing = usize::try_from(trail.missing).unwrap_or(usize::MAX);
        text += &gauge("mcp_bridge_audit_missing", "Lines that the audit trail could not take.", missing);
    }
    reply::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
}

/// A label's value: the three characters that end or break it are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
