//! Why a file is not taken.

use super::store::MOST_FILES;

/// A file that cannot be had for a run; the run does not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    #[error("a file cannot be called {name:?}: {why}")]
    Name { name: String, why: &'static str },
    #[error("two files of one run are called {name:?}")]
    Twice { name: String },
    #[error("{count} files are too many for one run: {MOST_FILES} is the most")]
    TooMany { count: usize },
    #[error("{name:?} has {bytes} bytes, and {most} is the most")]
    TooLarge { name: String, bytes: u64, most: u64 },
    #[error("the files of this run have {bytes} bytes together, and {most} is the most")]
    TooMuch { bytes: u64, most: u64 },
    #[error("the files of this run take {bytes} bytes, and the sandbox's /workspace has {workspace}")]
    Workspace { bytes: u64, workspace: u64 },
    #[error("{uri:?} names no file that is kept for this caller")]
    Unknown { uri: String, keeps: bool },
    /// Where the folder is concerns the operator, who finds it in the log: callers may be on other machines.
    #[error("the upload folder cannot be used: {reason}")]
    Io { reason: String },
}

impl UploadError {
    /// The stable code, e.g. `uploads.name`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "uploads.name",
            Self::Twice { .. } => "uploads.twice",
            Self::TooMany { .. } => "uploads.too_many",
            Self::TooLarge { .. } => "uploads.too_large",
            Self::TooMuch { .. } => "uploads.too_much",
            Self::Workspace { .. } => "uploads.workspace",
            Self::Unknown { .. } => "uploads.unknown",
            Self::Io { .. } => "uploads.io",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => "use a plain name, such as \"data.csv\"".into(),
            Self::Twice { .. } => "give each file a `name` of its own".into(),
            Self::TooMany { .. } => "send them as one archive, and unpack it in the program".into(),
            Self::TooLarge { .. } => "send a part of it, or raise MCP_BRIDGE_UPLOAD_FILE".into(),
            Self::TooMuch { .. } => "send fewer files in one run, or raise MCP_BRIDGE_UPLOAD_RUN".into(),
            Self::Workspace { .. } => "send less, or raise MCP_BRIDGE_WORKSPACE_SIZE".into(),
            Self::Unknown { keeps: true, .. } => {
                "send the file itself (`text` or `blob`); a link names one of this caller's, as the report of an earlier run gave it"
                    .into()
            }
            Self::Unknown { keeps: false, .. } => {
                "send the file itself (`text` or `blob`): MCP_BRIDGE_UPLOAD_KEEP is off, so none is kept".into()
            }
            Self::Io { .. } => "set MCP_BRIDGE_STATE_DIR to a folder that can be written".into(),
        }
    }
}
