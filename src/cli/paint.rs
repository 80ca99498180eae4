//! Words for a terminal: colour only where stderr or stdout is one, and NO_COLOR is honoured.

use std::io::IsTerminal;

use crate::discovery::Problem;
use crate::settings::{SettingsError, WrittenIn};

/// A level of a line in `doctor` and `servers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Ok,
    Warn,
    Fail,
}

/// `ok`, `warn` or `fail`, coloured on a terminal.
pub fn level(level: Level) -> String {
    let (word, colour) = match level {
        Level::Ok => ("ok", 32),
        Level::Warn => ("warn", 33),
        Level::Fail => ("fail", 31),
    };
    colour_if(std::io::stdout().is_terminal(), &format!("{word:4}"), colour)
}

/// An error for stderr: what is wrong, what to do, and the code.
pub fn failure(message: &str, hint: &str, code: &str) -> String {
    let terminal = std::io::stderr().is_terminal();
    format!("{} {message}\n  {} {hint}\n  [{code}]", colour_if(terminal, "error:", 31), colour_if(terminal, "do:", 36))
}

/// The same of a file, with the line where one is known.
pub fn problem(problem: &Problem) -> String {
    let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
    let place = problem.file.as_ref().map(|file| format!("{}{line}: ", file.display())).unwrap_or_default();
    failure(&format!("{place}{}", problem.reason), &problem.hint, problem.code)
}

/// The same of a setting, with its place where a file says it.
pub fn setting(error: &SettingsError) -> String {
    let place = match error.name().and_then(|name| name.written.as_deref()) {
        Some(WrittenIn::Key { file, line, .. }) => {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("{}{line}: ", file.display())
        }
        _ => String::new(),
    };
    failure(&format!("{place}{error}"), &error.hint(), error.code())
}

/// A remark for stderr.
pub fn warning(text: &str) -> String {
    format!("{} {text}", colour_if(std::io::stderr().is_terminal(), "warning:", 33))
}

pub fn dim(text: &str) -> String {
    colour_if(std::io::stdout().is_terminal(), text, 2)
}

fn colour_if(terminal: bool, text: &str, colour: u8) -> String {
    if terminal && !crate::settings::no_color() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}
