//! `mcp-bridge settings`: the table of variables, made from their declaration.

use super::Exit;
use super::paint;
use crate::settings::{Environment, VARIABLES};

pub(super) fn settings(env: &Environment) -> Exit {
    for variable in VARIABLES {
        let value = match env.get(variable.name) {
            Some(value) => format!("{value}  {}", paint::dim("(set)")),
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
