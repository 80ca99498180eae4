//! `mcp-bridge doctor`: what works and what does not, a line each, with one thing to do.

use super::backends::Backends;
use super::paint::{self, Level};
use super::{Exit, bridge};
use crate::sandbox::{self, Check};
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
    let backends = Backends::new(env, settings);
    match backends.get().await {
        Err(error) => line(Level::Fail, "sandbox", &error.to_string(), &error.hint()),
        Ok(found) => {
            line(Level::Ok, "sandbox", &backends.reason(&found), "");
            for Check { name, level, text, hint } in found.check(&settings.image, &bridge::limits(settings)).await {
                let level = match level {
                    sandbox::Level::Ok => Level::Ok,
                    sandbox::Level::Warn => Level::Warn,
                    sandbox::Level::Fail => Level::Fail,
                };
                line(level, &name, &text, &hint);
            }
            found.settle().await;
        }
    }
    if worst == Level::Fail { Exit::NoSandbox } else { Exit::Success }
}
