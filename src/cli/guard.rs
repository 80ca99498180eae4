//! What guards a bridge: its access rules, kept up to date, and its audit trail.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::bridge::Bridge;
use super::{Exit, paint};
use crate::access::{self, Access, AccessError, ITSELF, Ruled, Rules};
use crate::audit::{Kind, Options, Record, Trail};
use crate::broker::Shared;
use crate::execution::Caller;
use crate::reload;
use crate::settings::Settings;

/// The rules of the file that the settings name.
///
/// # Errors
/// It cannot be used, and why was told: a bridge that cannot read its rules would have to guess them.
pub(super) fn access(settings: &Settings) -> Result<Access, Exit> {
    let Some(file) = &settings.guard.access else { return Ok(Access::new(None)) };
    match access::load(file) {
        Ok(rules) => Ok(Access::new(Some(rules))),
        Err(errors) => {
            print_errors(&errors);
            Err(Exit::Usage)
        }
    }
}

pub(super) fn print_errors(errors: &[AccessError]) {
    for error in errors {
        eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
    }
}

/// The audit trail that the settings name.
///
/// # Errors
/// It cannot be written, and why was told.
pub(super) fn trail(settings: &Settings) -> Result<Option<Trail>, Exit> {
    let guard = &settings.guard;
    let Some(file) = guard.audit.clone() else { return Ok(None) };
    let options = Options { file, size: guard.audit_size, keep: guard.audit_keep, arguments: guard.audit_arguments };
    Trail::open(options).map(Some).map_err(|error| {
        eprintln!("{}", paint::failure(&error.to_string(), error.hint(), error.code()));
        Exit::Usage
    })
}

/// The caller at the other end of stdin and stdout, or at the terminal.
pub(super) fn caller(settings: &Settings) -> Caller {
    settings.guard.client.as_deref().map_or_else(Caller::stdio, Caller::named)
}

/// Logs each rule that names a server which is not there.
pub(super) fn tell_strangers(shared: &Shared) {
    let Some(rules) = shared.access().rules() else { return };
    let names = shared.names();
    for stranger in access::strangers(&rules, &names.list(), |asked| names.resolve(asked)) {
        tracing::warn!(code = "access.stranger", "{stranger}");
    }
}

/// Records that a caller asked for a server which is there, but not for it.
pub(super) fn note_hidden(shared: &Shared, caller: &Caller, asked: &str) {
    let view = shared.view(caller.who());
    if let Some(server) = shared.names().resolve(asked).filter(|server| !view.shows_server(server)) {
        note(shared, caller, Kind::Run, (server, ""), &view.decide(server, "", None));
    }
}

/// Records that a caller asked for a tool of the bridge itself which is not there for it.
pub(super) fn note_own(shared: &Shared, caller: &Caller, tool: &str) {
    let ruled = shared.view(caller.who()).decide_own(tool);
    if ruled.is_denied() {
        note(shared, caller, Kind::Call, (ITSELF, tool), &ruled);
    }
}

fn note(shared: &Shared, caller: &Caller, kind: Kind, (server, name): (&str, &str), ruled: &Ruled) {
    let record = Record::not_made(kind, server, name, ruled.decision.word(), &ruled.rule, "denied");
    shared.account(caller.who()).write(record);
}

/// Follows the file of rules, if there is one: at changes, unless that is switched off, and at SIGHUP.
pub(super) fn follow(bridge: &Arc<Bridge>, settings: &Settings) -> Option<AbortHandle> {
    let file = settings.guard.access.clone()?;
    let mut following = Following { bridge: Arc::clone(bridge), file: file.clone(), told: BTreeSet::new() };
    let follow = reload::follow_file(file, settings.hot_reload, move |by_hand| following.read(by_hand));
    Some(tokio::spawn(follow).abort_handle())
}

struct Following {
    bridge: Arc<Bridge>,
    file: PathBuf,
    /// What was wrong with the file when it was read last.
    told: BTreeSet<String>,
}

impl Following {
    fn read(&mut self, by_hand: bool) {
        match access::load(&self.file) {
            Ok(rules) => {
                self.told.clear();
                self.apply(rules, by_hand);
            }
            Err(errors) => {
                let told: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
                if by_hand || told != self.told {
                    for error in &errors {
                        tracing::warn!(code = error.code(), "access rules not reloaded: {error}; {}", error.hint());
                    }
                }
                self.told = told;
            }
        }
    }

    fn apply(&self, rules: Rules, by_hand: bool) {
        let shared = self.bridge.executor.shared();
        if shared.access().replace(rules) {
            tracing::info!("access rules reloaded");
            shared.gateway().upstreams().audience().lists_changed();
            tell_strangers(&shared);
        } else if by_hand {
            tracing::info!("access rules reloaded: nothing changed");
        }
    }
}
