//! Files that callers send for their programs: how large, and how long they are kept.

use std::time::Duration;

use super::environment::Environment;
use super::error::SettingsError;
use super::parse;

/// Sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Uploads {
    /// Of one file.
    pub file: u64,
    /// Of all files of one run.
    pub run: u64,
    /// Of what is kept for one caller. At least [`Uploads::run`].
    pub kept: u64,
    /// Since its last use; `None`: nothing is kept.
    pub keep: Option<Duration>,
}

impl Uploads {
    pub(super) fn read(env: &Environment) -> Result<Self, SettingsError> {
        let run = parse::bytes_at_least(env, "MCP_BRIDGE_UPLOAD_RUN", 1)?;
        Ok(Self {
            file: parse::bytes_at_least(env, "MCP_BRIDGE_UPLOAD_FILE", 1)?,
            run,
            kept: parse::bytes_at_least(env, "MCP_BRIDGE_UPLOAD_TOTAL", 1)?.max(run),
            keep: parse::duration_or_off(env, "MCP_BRIDGE_UPLOAD_KEEP")?,
        })
    }
}
