//! What guards a bridge: its access rules, kept up to date, and its audit trail.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::AbortHandle;

use super::bridge::Bridge;
use super::{Exit, paint};
use crate::access::{self, Access, AccessError, ITSELF, Ruled, Rules};
use crate::audit::{Kind, Options, Record, Trail, Written};
use crate::broker::Shared;
use crate::execution::{Caller, RequestError};
use crate::reload;
use crate::server::NAME;
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

/// Who makes a call: the transport's caller, or, where the operator lets calls say so, whom the arguments name. What says so is taken out
/// of them.
///
/// # Errors
/// What they name is no name.
pub(super) fn identify(
    takes_agent_id: bool,
    caller: &Caller,
    arguments: &mut Map<String, Value>,
) -> Result<Caller, RequestError> {
    if !takes_agent_id {
        return Ok(caller.clone());
    }
    let said = access::take_agent_id(arguments).map_err(|found| RequestError::Argument {
        field: access::AGENT_ID.into(),
        found,
        accepted: "a name of at most 100 characters".into(),
        hint: "leave it out, or say who makes the call".into(),
    })?;
    Ok(caller.saying(said.as_deref()))
}

/// Logs each rule that names a server which is not there.
pub(super) fn tell_strangers(shared: &Shared) {
    let Some(rules) = shared.access().rules() else { return };
    let names = shared.names();
    for stranger in access::strangers(&rules, &names.list(), |asked| names.resolve(asked)) {
        tracing::warn!(code = "access.stranger", "{stranger}");
    }
}

/// Records a use of the bridge's own tools that does not begin, and why: a server may have been asked for that is there, but not for
/// this caller.
pub(super) fn note_not_begun(
    shared: &Shared,
    caller: &Caller,
    tool: &str,
    arguments: &Map<String, Value>,
    error: &RequestError,
) -> Written {
    let view = shared.view(caller.who());
    let hidden = match error {
        RequestError::UnknownServer { name, .. } => shared.names().resolve(name),
        _ => None,
    };
    match hidden.filter(|server| !view.shows_server(server)) {
        Some(server) => {
            let ruled = view.decide(server, "", None);
            note(shared, caller, Kind::Run, (server, ""), &ruled, error.code(), arguments)
        }
        None if tool == NAME => {
            note(shared, caller, Kind::Run, ("", ""), &view.decide_own(tool), error.code(), arguments)
        }
        None => note(shared, caller, Kind::Call, (ITSELF, tool), &view.decide_own(tool), error.code(), arguments),
    }
}

/// Records that a caller asked for a tool of the bridge itself which is not there for it.
pub(super) fn note_own(shared: &Shared, caller: &Caller, tool: &str, arguments: &Map<String, Value>) -> Written {
    let ruled = shared.view(caller.who()).decide_own(tool);
    note(shared, caller, Kind::Call, (ITSELF, tool), &ruled, "", arguments)
}

fn note(
    shared: &Shared,
    caller: &Caller,
    kind: Kind,
    (server, name): (&str, &str),
    ruled: &Ruled,
    code: &str,
    arguments: &Map<String, Value>,
) -> Written {
    let account = shared.account(caller.who());
    let record = Record::not_made(kind, server, name, ruled.decision.word(), &ruled.rule, code);
    account.write(Record { passed: account.passed(arguments), ..record })
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
