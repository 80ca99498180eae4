//! `mcp-bridge audit verify`: whether a trail is as it was written.

use std::path::PathBuf;

use super::{Exit, paint};
use crate::audit;
use crate::settings::Settings;

pub(super) fn verify(settings: &Settings, file: Option<PathBuf>) -> Exit {
    let Some(file) = file.or_else(|| settings.guard.audit.clone()) else {
        let (message, hint) = ("there is no audit trail", "name its file, or set MCP_BRIDGE_AUDIT");
        eprintln!("{}", paint::failure(message, hint, "cli.audit"));
        return Exit::Usage;
    };
    let verified = match audit::verify(&file) {
        Ok(verified) => verified,
        Err(error) => {
            eprintln!("{}", paint::failure(&error.to_string(), error.hint(), error.code()));
            return Exit::Usage;
        }
    };
    println!("{} lines in {} files", verified.lines, verified.files);
    if verified.missing > 0 {
        println!("{} lines could not be written, by the trail's own word", verified.missing);
    }
    if let Some((seq, hash)) = &verified.end {
        println!("the last is {seq}, {hash}");
    }
    for fault in &verified.faults {
        eprintln!("{}", paint::failure(&fault.to_string(), "compare with a copy kept elsewhere", "audit.fault"));
    }
    if verified.faults.is_empty() { Exit::Success } else { Exit::Error }
}
