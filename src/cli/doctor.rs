//! `mcp-bridge doctor`: what works and what does not, a line each, with one thing to do.

use super::backends::Backends;
use super::paint::{self, Level};
use super::{Exit, bridge, found, servers};
use crate::discovery::State;
use crate::execution::{PoolOptions, Rehearsal, rehearse};
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
    let found = found::discover(env, settings);
    let read = match settings.sources.as_slice() {
        [] => "no client's files are read (MCP_BRIDGE_SOURCES names none)".to_owned(),
        sources => format!("files of {} are read", sources.join(", ")),
    };
    let enabled: Vec<&str> = found.enabled().map(|server| server.config.name.as_str()).collect();
    if found.found.is_empty() {
        let hint = "add one to ~/.claude.json or ~/.config/mcp/servers/*.json, or set MCP_BRIDGE_SOURCES=auto";
        line(Level::Warn, "servers", &format!("none found; {read}"), hint);
    } else {
        let names = if enabled.is_empty() { "none".to_owned() } else { enabled.join(", ") };
        line(Level::Ok, "servers", &format!("{} on: {names}; {read}", enabled.len()), "");
    }
    for server in found.found.iter().filter(|server| server.state != State::Enabled) {
        let (word, reason) = servers::state(&server.state);
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        line(Level::Ok, "server", &format!("{} [{word}] from {}{reason}", server.config.name, server.origin), "");
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
            let limits = bridge::limits(settings);
            let mut sound = true;
            for Check { name, level, text, hint } in found.check(&settings.image, &limits).await {
                sound &= level != sandbox::Level::Fail;
                let level = match level {
                    sandbox::Level::Ok => Level::Ok,
                    sandbox::Level::Warn => Level::Warn,
                    sandbox::Level::Fail => Level::Fail,
                };
                line(level, &name, &text, &hint);
            }
            // What does not hold for one sandbox was said: it need not be said of those that would wait.
            if sound {
                match rehearse(found.backend(), &settings.image, &limits).await {
                    Ok(one) => {
                        let (level, text, hint) = pool(&bridge::pool(settings), &one);
                        line(level, "pool", &text, &hint);
                    }
                    Err(error) => line(Level::Fail, "pool", &error.to_string(), &error.hint()),
                }
            }
            found.settle().await;
        }
    }
    if worst == Level::Fail { Exit::NoSandbox } else { Exit::Success }
}

/// What waits, what one costs that waits, and what becomes of it.
fn pool(options: &PoolOptions, one: &Rehearsal) -> (Level, String, String) {
    let cost = match one.memory {
        Some(bytes) => format!("takes {} MB", bytes.div_ceil(1 << 20)),
        None => "takes memory that nobody here can measure".into(),
    };
    let ready = one.ready_in.as_millis();
    let one_is = format!("one is ready in {ready} ms, {cost} while it waits and is destroyed after its run");
    if options.size == 0 {
        let text = format!("off (MCP_BRIDGE_POOL=0): every run starts its own sandbox; {one_is}");
        return (Level::Ok, text, String::new());
    }
    let (wanted, fitting) = (options.size, options.fitting(one.memory));
    let text = format!("{fitting} wait, at most {} start at a time; {one_is}", options.launches);
    if fitting < wanted {
        let hint = "raise MCP_BRIDGE_POOL_MEMORY, or lower MCP_BRIDGE_POOL".to_owned();
        return (Level::Warn, format!("{text}; {wanted} are wanted and do not fit into MCP_BRIDGE_POOL_MEMORY"), hint);
    }
    (Level::Ok, text, String::new())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_pool_is_described_with_what_it_costs() {
        let options = PoolOptions { size: 4, launches: 3, idle: Duration::from_secs(60), memory: 100 << 20 };
        let one = |memory| Rehearsal { ready_in: Duration::from_millis(210), memory };
        let (level, text, hint) = pool(&options, &one(Some(20 << 20)));
        assert_eq!((level, hint.as_str()), (Level::Ok, ""));
        for said in ["4 wait", "at most 3 start", "210 ms", "20 MB", "destroyed after its run"] {
            assert!(text.contains(said), "{text}");
        }
        let (level, text, hint) = pool(&options, &one(Some(40 << 20)));
        assert_eq!(level, Level::Warn);
        assert!(text.starts_with("2 wait") && text.contains("4 are wanted") && !hint.is_empty(), "{text}");
        assert!(pool(&PoolOptions { size: 0, ..options }, &one(None)).1.starts_with("off"));
    }
}
