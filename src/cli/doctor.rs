//! `mcp-bridge doctor`: what works and what does not, a line each, with one thing to do.

use super::bridge::{self, Engines};
use super::paint::{self, Level};
use super::{Exit, bridge::limits};
use crate::sandbox::container::{self, Check};
use crate::settings::{Environment, Settings};

pub(super) async fn doctor(env: &Environment, settings: &Settings) -> Exit {
    let mut worst = Level::Ok;
    let mut line = |level: Level, name: &str, text: &str, hint: &str| {
        println!("{} {name}: {text}", paint::level(level));
        if !hint.is_empty() {
            println!("     do: {hint}");
        }
        if level == Level::Fail || (level == Level::Warn && worst == Level::Ok) {
            worst = level;
        }
    };
    line(Level::Ok, "settings", &format!("all valid; state in {}", settings.state_dir.display()), "");
    let found = bridge::discover(env, settings);
    let enabled = found.enabled().count();
    match (enabled, found.found.len() - enabled) {
        (0, 0) => {
            line(Level::Warn, "servers", "none found", "add one to ~/.claude.json or ~/.config/mcp/servers/*.json")
        }
        (on, 0) => line(Level::Ok, "servers", &format!("{on} on"), ""),
        (on, off) => line(Level::Ok, "servers", &format!("{on} on, {off} not used"), "`mcp-bridge servers` says why"),
    }
    for problem in &found.problems {
        let place = match (&problem.file, problem.line) {
            (Some(file), Some(number)) => format!("{}:{number}: ", file.display()),
            (Some(file), None) => format!("{}: ", file.display()),
            (None, _) => String::new(),
        };
        line(Level::Warn, "config", &format!("{place}{}", problem.reason), &problem.hint);
    }
    match Engines::new(env, settings).engine().await {
        Err(error) => line(Level::Fail, "engine", &error.to_string(), &error.hint()),
        Ok(engine) => {
            for Check { name, level, text, hint } in engine.check(&settings.image, &limits(settings).user).await {
                let level = match level {
                    container::Level::Ok => Level::Ok,
                    container::Level::Warn => Level::Warn,
                    container::Level::Fail => Level::Fail,
                };
                line(level, &name, &text, &hint);
            }
            engine.settle().await;
        }
    }
    if worst == Level::Fail { Exit::NoSandbox } else { Exit::Success }
}
