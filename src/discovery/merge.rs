//! The same server in several files, and several servers with one name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::words::shown;
use super::{Found, State};
use crate::upstream::config::{RemoteKind, Secret, Transport};

/// A server with what decides its precedence.
pub(super) struct Candidate {
    pub found: Found,
    /// Rank of the source, then of the file within it: lower goes first.
    pub rank: (u8, usize),
    /// Whether it takes its name from those below. What was never asked for (an unapproved file, a broken entry) does not:
    /// a stranger's file must not hide the user's own server.
    pub claims: bool,
}

/// One server per name: the highest in rank. The same server written twice becomes one with both origins.
pub(super) fn merge(mut candidates: Vec<Candidate>) -> Vec<Found> {
    candidates.sort_by_key(|candidate| candidate.rank);
    let mut out: Vec<Found> = Vec::with_capacity(candidates.len());
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for Candidate { mut found, claims, .. } in candidates {
        let Some(&owner) = owners.get(&found.config.name).filter(|_| claims) else {
            if claims {
                owners.insert(found.config.name.clone(), out.len());
            }
            out.push(found);
            continue;
        };
        let above = &mut out[owner];
        if Identity::of(&above.config.transport) == Identity::of(&found.config.transport) {
            if is_off(&found.state) && !is_off(&above.state) {
                above.warnings.push(format!("switched off in {}", found.origin));
            }
            above.also.push(found.origin);
        } else {
            if matches!(found.state, State::Enabled | State::NeedsInput { .. }) {
                let why = if is_off(&above.state) { "which is switched off" } else { "which has precedence" };
                found.state = State::Shadowed { reason: format!("the name belongs to {}, {why}", above.origin) };
            }
            out.push(found);
        }
    }
    note_twins(&mut out);
    out
}

/// One server under two names stays two, as the user asked for both, but is pointed out.
fn note_twins(found: &mut [Found]) {
    let mut first: BTreeMap<Identity, String> = BTreeMap::new();
    for found in found.iter_mut().filter(|found| found.state == State::Enabled) {
        let identity = Identity::of(&found.config.transport);
        match first.get(&identity) {
            Some(name) => found.warnings.push(format!("the same server as `{}`", shown(name))),
            None => {
                first.insert(identity, found.config.name.clone());
            }
        }
    }
}

fn is_off(state: &State) -> bool {
    matches!(state, State::Disabled { .. })
}

/// What makes two entries the same server: where it is and what it is given, not what it is called.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Stdio { command: PathBuf, args: Vec<String>, env: BTreeMap<String, Secret>, cwd: Option<PathBuf> },
    Remote { url: String, headers: BTreeMap<String, Secret>, socket: bool },
}

impl Identity {
    fn of(transport: &Transport) -> Self {
        match transport {
            Transport::Stdio { command, args, env, cwd } => Self::Stdio {
                command: real(command),
                args: args.clone(),
                env: env.clone(),
                cwd: cwd.as_ref().map(|cwd| cwd.canonicalize().unwrap_or_else(|_| cwd.clone())),
            },
            // HTTP and SSE at one address are one server in two protocols.
            Transport::Remote { url, headers, kind } => Self::Remote {
                url: normal_url(url),
                headers: headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
                socket: *kind == RemoteKind::WebSocket,
            },
        }
    }
}

/// A path with links followed; a bare name stays, as its meaning depends on `PATH`.
fn real(command: &str) -> PathBuf {
    let path = Path::new(command);
    match path.components().nth(1) {
        Some(_) => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        None => path.to_owned(),
    }
}

/// Scheme and host in small letters, no default port, no slash at the end of the path.
fn normal_url(url: &str) -> String {
    let Ok(uri) = url.parse::<http::Uri>() else { return url.to_owned() };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return url.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    let default = if matches!(scheme.as_str(), "https" | "wss") { 443 } else { 80 };
    let port = authority.port_u16().filter(|port| *port != default).map(|port| format!(":{port}")).unwrap_or_default();
    let host = authority.host().to_ascii_lowercase();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{user}{host}{port}{}{query}", uri.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_by_meaning() {
        let one = normal_url("HTTPS://Example.com:443/mcp/?a=B");
        assert_eq!(one, "https://example.com/mcp?a=B");
        for other in [
            "http://example.com/mcp?a=B",
            "https://example.com:8443/mcp?a=B",
            "https://example.com/MCP?a=B",
            "https://example.com/mcp?a=b",
            "https://me@example.com/mcp?a=B",
        ] {
            assert_ne!(one, normal_url(other));
        }
        assert_eq!(normal_url("not an address"), "not an address");
    }
}
