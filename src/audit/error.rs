//! Why there can be no trail.

use std::path::PathBuf;

/// The bridge does not start without the trail it was told to write.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the audit trail {} is not a regular file: {found}", .file.display())]
    NotAFile { file: PathBuf, found: &'static str },
    #[error("the audit trail {} cannot be written: {reason}", .file.display())]
    Unwritable { file: PathBuf, reason: String },
    #[error("the audit trail {} can be read by others (mode {mode:o}), and that cannot be changed: {reason}", .file.display())]
    Open { file: PathBuf, mode: u32, reason: String },
    #[error("another bridge writes the audit trail {}", .file.display())]
    Locked { file: PathBuf },
    #[error("there is no audit trail {}", .file.display())]
    Missing { file: PathBuf },
}

impl AuditError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAFile { .. } => "audit.not_a_file",
            Self::Unwritable { .. } => "audit.unwritable",
            Self::Open { .. } => "audit.mode",
            Self::Locked { .. } => "audit.locked",
            Self::Missing { .. } => "audit.missing",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAFile { .. } => "set MCP_BRIDGE_AUDIT to a file, or to a name where none is yet",
            Self::Unwritable { .. } => "set MCP_BRIDGE_AUDIT to a file in a folder that this user can write to",
            Self::Open { .. } => "make it yours and private (chmod 600), or name another file in MCP_BRIDGE_AUDIT",
            Self::Locked { .. } => "give each bridge a trail of its own in MCP_BRIDGE_AUDIT",
            Self::Missing { .. } => "name the file that MCP_BRIDGE_AUDIT named when the bridge ran",
        }
    }
}
