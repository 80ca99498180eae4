//! Who may use what, and where it is recorded.

use std::path::PathBuf;

use super::environment::Environment;
use super::error::SettingsError;
use super::parse;

/// Access rules and audit trail, as the variables say.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The file of rules; none: everybody may use everything.
    pub access: Option<PathBuf>,
    /// The name of the client at the other end of stdin and stdout.
    pub client: Option<String>,
    /// Calls may say by an argument who makes them.
    pub agent_id: bool,
    /// The audit trail; none: it is not written.
    pub audit: Option<PathBuf>,
    pub audit_arguments: bool,
    /// Bytes after which the trail's next file is begun.
    pub audit_size: u64,
    /// Files of the trail that are kept besides the one that is written.
    pub audit_keep: usize,
}

impl Guard {
    pub(super) fn read(env: &Environment) -> Result<Self, SettingsError> {
        Ok(Self {
            access: parse::path(env, "MCP_BRIDGE_ACCESS"),
            client: parse::name(env, "MCP_BRIDGE_CLIENT")?,
            agent_id: parse::flag(env, "MCP_BRIDGE_AGENT_ID")?,
            audit: parse::path(env, "MCP_BRIDGE_AUDIT"),
            audit_arguments: parse::flag(env, "MCP_BRIDGE_AUDIT_ARGUMENTS")?,
            // Smaller, and heads and removals would be most of it.
            audit_size: parse::bytes_at_least(env, "MCP_BRIDGE_AUDIT_SIZE", 4096)?,
            audit_keep: parse::number(env, "MCP_BRIDGE_AUDIT_KEEP", 0..=100_000)?,
        })
    }
}
