//! What keeps a bridge and its user from talking.

use std::path::PathBuf;

/// The door cannot be opened, or nobody answers at it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("`mcp-bridge sessions` cannot reach this bridge: no socket could be made in {}: {reason}", folder.display())]
    Socket { folder: PathBuf, reason: std::io::Error },
    #[error("the bridge with process number {bridge} did not answer: {reason}")]
    Unanswered { bridge: u32, reason: String },
}

impl ControlError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Socket { .. } => "control.socket",
            Self::Unanswered { .. } => "control.unanswered",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Socket { .. } => {
                "set MCP_BRIDGE_STATE_DIR to a folder of this user with a short path that can be written"
            }
            Self::Unanswered { .. } => "try again; a bridge that never answers can be stopped by its process number",
        }
    }
}
