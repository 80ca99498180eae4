//! The servers that this user, in this folder, has configured.

use std::path::PathBuf;

use directories::BaseDirs;

use super::{config, paint};
use crate::discovery::{self, Discovery, DiscoveryError, Options, Os, Place, Problem, TrustStore};
use crate::settings::{Environment, Settings};

/// This user and this folder.
pub(super) fn place(env: &Environment) -> Place {
    let path = |name: &str| env.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cwd = std::env::current_dir().unwrap_or_else(|_| home());
    Place {
        xdg_config_home: path("XDG_CONFIG_HOME"),
        claude_config_dir: path("CLAUDE_CONFIG_DIR"),
        appdata: path("APPDATA"),
        localappdata: path("LOCALAPPDATA"),
        vars: env.vars().clone(),
        own_exe: std::env::current_exe().ok(),
        ..Place::new(home(), cwd, Os::current())
    }
}

/// What the user has decided about discovery, and what stood in the way of reading it.
pub(super) fn discovery_options(settings: &Settings) -> (Options, Option<DiscoveryError>) {
    let (trusted, unreadable) = match trust_store(settings) {
        Ok(store) => (store, None),
        Err(error) => (TrustStore::default(), Some(error)),
    };
    let options = Options {
        servers_config: settings.servers_config.clone(),
        sources: Some(settings.sources.clone()),
        trust_project: settings.trust_project,
        trusted,
        allow_self: settings.allow_self_server,
        as_written: false,
    };
    (options, unreadable)
}

/// Looks for servers where this user, in this folder, has them; and says what is wrong with the keys beside them.
pub(super) fn discover(env: &Environment, settings: &Settings) -> Discovery {
    with_keys(of_files(env, settings), env)
}

fn with_keys(mut found: Discovery, env: &Environment) -> Discovery {
    found.problems.extend(config::problems(env));
    found
}

/// The servers alone.
pub(super) fn of_files(env: &Environment, settings: &Settings) -> Discovery {
    let (options, unreadable) = discovery_options(settings);
    let problem = unreadable.map(|error| Problem::about(&error));
    with_trust(discovery::discover(&place(env), &options), problem, settings)
}

/// The same for a command that is about something else: what is wrong with the files is said on stderr.
pub(super) fn discover_aloud(env: &Environment, settings: &Settings) -> Discovery {
    let found = discover(env, settings);
    for problem in &found.problems {
        eprintln!("{}", paint::warning(&problem.to_string()));
    }
    found
}

/// The same once more, in a bridge that runs: what is spoiled counts as it was `before`.
pub(super) fn discover_again(env: &Environment, settings: &Settings, before: &Discovery) -> Discovery {
    let (mut options, unreadable) = discovery_options(settings);
    let problem = unreadable.map(|error| Problem { kept: true, ..Problem::about(&error) });
    if problem.is_some() {
        options.trusted = before.trusted().clone();
    }
    with_keys(with_trust(discovery::discover_again(&place(env), &options, before), problem, settings), env)
}

/// What was found, and that the answers about project servers had a part in it.
fn with_trust(mut found: Discovery, problem: Option<Problem>, settings: &Settings) -> Discovery {
    found.problems.extend(problem);
    found.looked.files.insert(trust_file(settings));
    found
}

/// The answers kept by `mcp-bridge trust`.
pub(super) fn trust_store(settings: &Settings) -> Result<TrustStore, DiscoveryError> {
    TrustStore::load(trust_file(settings))
}

fn trust_file(settings: &Settings) -> PathBuf {
    settings.state_dir.join("trust.json")
}

pub(super) fn home() -> PathBuf {
    BaseDirs::new().map_or_else(std::env::temp_dir, |dirs| dirs.home_dir().to_path_buf())
}
