//! The same server in several files, and several servers with one name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::words::shown;
use super::{Found, State};
use crate::upstream::config::{Access, RemoteKind, Secret, Transport};

/// A server with what decides its precedence.
pub(super) struct Candidate {
    pub found: Found,
    /// Rank of the source, then of the file within it: lower goes first.
    pub rank: (u8, usize),
    /// Whether it takes its name from those below. What was never asked for (an unapproved file, a broken entry) does not:
    /// a stranger's file must not hide the user's own server.
    pub claims: bool,
}

/// One server per name and one name per server: the highest in rank has the name. A different server of that name from
/// another source is reached as `source:name`; the same server under another name lends that name as an alias.
pub(super) fn merge(mut candidates: Vec<Candidate>) -> Vec<Found> {
    candidates.sort_by_key(|candidate| candidate.rank);
    let mut list = List::default();
    for Candidate { found, claims, .. } in candidates {
        if claims {
            list.claim(found);
        } else {
            list.found.push(found);
        }
    }
    list.found
}

#[derive(Default)]
struct List {
    found: Vec<Found>,
    /// Where in `found` the owner of each name stands.
    owners: BTreeMap<String, usize>,
    /// Where each server in use stands.
    servers: BTreeMap<Identity, usize>,
}

impl List {
    fn claim(&mut self, mut found: Found) {
        let identity = Identity::of(&found.config.transport);
        let Some(&owner) = self.owners.get(&found.config.name) else { return self.take(found, identity) };
        let above = &mut self.found[owner];
        if Identity::of(&above.config.transport) == identity {
            if is_off(&found.state) && !is_off(&above.state) {
                above.warnings.push(format!("switched off in {}", found.origin));
            }
            note_origins(above, found);
            return;
        }
        let usable = matches!(found.state, State::Enabled | State::NeedsInput { .. });
        // Within one client the nearer entry replaces the other; and who switched a name off wants none of that name.
        let replaced = is_off(&above.state) || above.origin.source == found.origin.source;
        let qualified = format!("{}:{}", found.origin.source, found.name);
        if usable && !replaced && !self.owners.contains_key(&qualified) {
            found.warnings.push(format!("the name `{}` belongs to {}", shown(&found.name), above.origin));
            found.config.name = qualified;
            return self.take(found, identity);
        }
        if usable {
            let why = if is_off(&above.state) { "which is switched off" } else { "which has precedence" };
            found.state = State::Shadowed { reason: format!("the name belongs to {}, {why}", above.origin) };
        }
        self.found.push(found);
    }

    /// Gives a free name to a server, or to the one it already is.
    fn take(&mut self, found: Found, identity: Identity) {
        let enabled = found.state == State::Enabled;
        if let Some(&known) = self.servers.get(&identity).filter(|_| enabled) {
            let above = &mut self.found[known];
            // A name made of the source is needed only for a server that has no other.
            if found.config.name == found.name {
                self.owners.insert(found.name.clone(), known);
                above.aliases.push(found.name.clone());
            }
            note_origins(above, found);
            return;
        }
        self.owners.insert(found.config.name.clone(), self.found.len());
        if enabled {
            self.servers.insert(identity, self.found.len());
        }
        self.found.push(found);
    }
}

/// The places that hold `found` hold `above` too: they are one server.
fn note_origins(above: &mut Found, found: Found) {
    for origin in [found.origin].into_iter().chain(found.also) {
        if origin != above.origin && !above.also.contains(&origin) {
            above.also.push(origin);
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
    Remote { url: String, headers: BTreeMap<String, Secret>, socket: bool, access: Access },
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
            Transport::Remote { url, headers, kind, access } => Self::Remote {
                url: normal_url(url),
                headers: headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
                socket: *kind == RemoteKind::WebSocket,
                access: access.clone(),
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
