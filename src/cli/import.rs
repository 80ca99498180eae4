//! `mcp-bridge import`: what was found in clients' files becomes one file of ours.

use std::path::PathBuf;

use super::{Exit, found, paint};
use crate::discovery::{self, import};
use crate::settings::{Environment, Settings};

pub(super) fn import(env: &Environment, settings: &Settings, file: Option<PathBuf>) -> Exit {
    let place = found::place(env);
    let (options, _) = found::discovery_options(settings);
    let options = discovery::Options { as_written: true, ..options };
    let found = discovery::discover(&place, &options);
    for problem in &found.problems {
        eprintln!("{}", paint::warning(&problem.to_string()));
    }
    let imported = import::import(&found);
    for (name, reason) in &imported.left_out {
        println!("{name}: left out: {reason}");
    }
    if imported.names.is_empty() {
        println!("No server was found that is not in a file of the bridge's own already.");
        return Exit::Success;
    }
    let file = file.unwrap_or_else(|| place.own_servers().join("imported.json"));
    if let Err(error) = import::write(&file, &imported.text) {
        eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
        return Exit::Usage;
    }
    println!("{}: {}", file.display(), imported.names.join(", "));
    println!("Variables stay variables; other values were copied, so the file is readable for you only.");
    Exit::Success
}
