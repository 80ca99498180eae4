//! `mcp-bridge policy`: what the access rules say, and whether their file is right.

use std::path::PathBuf;

use serde_json::Value;

use super::bridge::Bridge;
use super::guard::print_errors;
use super::{Exit, PolicyCommand, Use, found, paint, signals};
use crate::access::{self, DEFAULT, ITSELF, OWN, Ruled, Rules, View, strangers};
use crate::settings::{Environment, Guard, Settings};

pub(super) async fn policy(env: Environment, settings: Settings, command: PolicyCommand) -> Exit {
    match command {
        PolicyCommand::Check { file } => check(&env, &settings, file),
        PolicyCommand::Test(used) => match rules(&settings, None) {
            Ok((_, rules)) => test(env, settings, &rules, &used).await,
            Err(exit) => exit,
        },
    }
}

/// The rules of this file, or of the one that the settings name; what is wrong was told.
fn rules(settings: &Settings, file: Option<PathBuf>) -> Result<(PathBuf, Rules), Exit> {
    let Some(file) = file.or_else(|| settings.guard.access.clone()) else {
        let (message, hint) = (
            "there are no access rules",
            "set MCP_BRIDGE_ACCESS to their file, or name the bridge's own with --config",
        );
        eprintln!("{}", paint::failure(message, hint, "cli.policy"));
        return Err(Exit::Usage);
    };
    match access::load(&file) {
        Ok(rules) => Ok((file, rules)),
        Err(errors) => {
            print_errors(&errors);
            Err(Exit::Usage)
        }
    }
}

fn check(env: &Environment, settings: &Settings, file: Option<PathBuf>) -> Exit {
    let (file, rules) = match rules(settings, file.clone()) {
        Ok(read) => read,
        // What was asked for is whether the file is good.
        Err(_) if file.is_some() || settings.guard.access.is_some() => return Exit::Error,
        Err(exit) => return exit,
    };
    let found = found::discover(env, settings);
    let names: Vec<String> = found.enabled().map(|server| server.config.name.clone()).collect();
    let known = crate::broker::Names::new(names.iter().cloned()).with_further(found.aliases());
    let strangers = strangers(&rules, &names, |asked| known.resolve(asked));
    for stranger in &strangers {
        eprintln!(
            "{}",
            paint::warning(&format!("{stranger}; use the name that `mcp-bridge servers` shows  [access.stranger]"))
        );
    }
    if strangers.is_empty() {
        println!("{}: good", file.display());
    }
    // A server that is not configured here may be elsewhere.
    Exit::Success
}

async fn test(env: Environment, settings: Settings, rules: &Rules, used: &Use) -> Exit {
    if used.server == ITSELF && !used.resource && !used.prompt && !OWN.contains(&used.name.as_str()) {
        let message = format!("the bridge itself has no tool {:?}", used.name);
        let hint = format!("its tools are {}", OWN.join(", "));
        eprintln!("{}", paint::failure(&message, &hint, "cli.policy"));
        return Exit::Usage;
    }
    let view = View::of(rules, &used.caller);
    let ruled = if used.resource {
        view.decide_resource(&used.server, &used.name)
    } else if used.prompt {
        view.decide_prompt(&used.server, &used.name)
    } else if used.server == ITSELF {
        view.decide_own(&used.name)
    } else {
        let annotations = annotations(env, settings, &view, used).await;
        view.decide(&used.server, &used.name, annotations.as_ref())
    };
    let by_default = view.account() == DEFAULT && used.caller != DEFAULT;
    let entry = if by_default { " (by the entry of those who have none)" } else { "" };
    println!("{}: {}{entry}", ruled.decision.word(), ruled.rule);
    exit(&ruled)
}

fn exit(ruled: &Ruled) -> Exit {
    if ruled.is_denied() { Exit::Error } else { Exit::Success }
}

/// What the server says of its tool, where a rule asks for that. A server that cannot be reached, or has no such tool, says nothing.
async fn annotations(env: Environment, settings: Settings, view: &View, used: &Use) -> Option<Value> {
    if !view.minds_annotations() {
        return None;
    }
    // Nothing is used: it is only looked at.
    let guard = Guard { access: None, audit: None, ..settings.guard.clone() };
    let settings = Settings { guard, ..settings };
    let found = found::discover(&env, &settings);
    let bridge = Bridge::new(&env, &settings, &found).ok()?;
    let shared = bridge.executor.shared();
    let annotations = if shared.names().list().contains(&used.server) {
        match signals::until_interrupted(shared.catalog(&used.server)).await {
            Some(Ok(catalog)) => catalog.tool_by_name(&used.name).and_then(|tool| tool.definition.annotations.clone()),
            Some(Err(error)) => {
                eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
                None
            }
            None => None,
        }
    } else {
        None
    };
    bridge.shutdown().await;
    annotations
}
