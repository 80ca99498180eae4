//! `mcp-bridge trust`: allow servers from a project's own files to be started.

use super::{Exit, found, paint};
use crate::discovery::{Found, State};
use crate::settings::{Environment, Settings};

pub(super) fn trust(env: &Environment, settings: &Settings, names: &[String], revoke: bool) -> Exit {
    let found = found::discover_aloud(env, settings);
    let pending: Vec<&Found> =
        found.found.iter().filter(|f| matches!(f.state, State::PendingApproval { .. })).collect();
    if names.is_empty() {
        list(&pending);
        return Exit::Success;
    }
    let mut store = match found::trust_store(settings) {
        Ok(store) => store,
        Err(error) => return failed(&error.to_string(), &error.hint(), error.code()),
    };
    for name in names {
        let named: Vec<&Found> = found.found.iter().filter(|f| f.config.name == *name || f.name == *name).collect();
        let changed = if revoke {
            named.iter().filter(|f| store.revoke(f)).count()
        } else {
            let waiting = named.iter().filter(|f| matches!(f.state, State::PendingApproval { .. }));
            match waiting.map(|f| store.approve(f)).collect::<Result<Vec<_>, _>>() {
                Ok(approved) => approved.len(),
                Err(error) => return failed(&error.to_string(), &error.hint(), error.code()),
            }
        };
        if changed == 0 {
            let what = if revoke { "has no approval to take back" } else { "does not wait for approval" };
            return failed(&format!("{name:?} {what}"), "`mcp-bridge servers` shows every server's state", "cli.trust");
        }
        println!("{name}: {}", if revoke { "approval taken back" } else { "approved; a changed entry will ask again" });
    }
    match store.save() {
        Ok(()) => Exit::Success,
        Err(error) => failed(&error.to_string(), &error.hint(), error.code()),
    }
}

/// Shows exactly what would be started: an approval of something unseen is none.
fn list(pending: &[&Found]) {
    if pending.is_empty() {
        println!("No server waits for approval.");
    }
    for found in pending {
        println!("{}  {}", found.config.name, paint::dim(&found.origin.to_string()));
        println!("    {}", found.config.transport.command_line());
        println!("    to allow it: mcp-bridge trust {}", found.config.name);
    }
}

fn failed(message: &str, hint: &str, code: &str) -> Exit {
    eprintln!("{}", paint::failure(message, hint, code));
    Exit::Usage
}
