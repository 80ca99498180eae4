//! `mcp-bridge settings`: the table of variables, made from their declaration.

use super::Exit;
use super::paint;
use crate::settings::{Environment, VARIABLES, WrittenIn};

pub(super) fn settings(env: &Environment) -> Exit {
    for variable in VARIABLES {
        let value = match env.get(variable.name) {
            Some(value) => format!("{value}  {}", paint::dim(&format!("({})", origin(env, variable.name)))),
            None if variable.default.is_empty() => paint::dim("(not set)"),
            None => variable.default.to_owned(),
        };
        println!(
            "{}={value}\n    {}\n    {}",
            variable.name,
            variable.help,
            paint::dim(&format!("accepts {}", variable.accepts))
        );
    }
    Exit::Success
}

/// Where a value is from.
fn origin(env: &Environment, name: &str) -> String {
    match env.written(name).map(|written| &written.place) {
        Some(WrittenIn::Key { name, file, .. }) => format!("`{name}` of {}", file.display()),
        _ => "set".to_owned(),
    }
}
