//! Why a client's file was not changed; each with a stable code and one thing to do.

use std::io;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    #[error("there is no client called {asked:?} whose file can be changed")]
    UnknownClient { asked: String },
    #[error("{client} keeps its servers in no file on this system")]
    NotHere { client: &'static str },
    #[error("{}{}: {reason}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Unreadable { file: PathBuf, line: Option<usize>, reason: String },
    #[error("{}: something else than servers stands at `{key}`", file.display())]
    WrongPlace { file: PathBuf, key: String },
    #[error("{} is laid out in a way that cannot be changed without touching the rest of it", file.display())]
    ByHand { file: PathBuf, key: String, paste: String },
    #[error("{} was changed by somebody else in the meantime; it is as they left it", file.display())]
    Changed { file: PathBuf },
    #[error("{} cannot be written: {kind}", file.display())]
    Unwritable { file: PathBuf, kind: io::ErrorKind },
    #[error("{} is a link into a folder that does not exist", file.display())]
    Dangling { file: PathBuf },
    #[error("{}: the entry `mcp-bridge` at `{key}` starts another program", file.display())]
    Foreign { file: PathBuf, key: String },
    #[error("{} exists", file.display())]
    Exists { file: PathBuf },
    #[error("nobody is there to say yes")]
    NotConfirmed,
}

impl InstallError {
    /// A name that stays the same between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownClient { .. } => "install.unknown_client",
            Self::NotHere { .. } => "install.not_here",
            Self::Unreadable { .. } => "install.unreadable",
            Self::WrongPlace { .. } => "install.wrong_place",
            Self::ByHand { .. } => "install.by_hand",
            Self::Changed { .. } => "install.changed",
            Self::Unwritable { .. } => "install.unwritable",
            Self::Dangling { .. } => "install.dangling",
            Self::Foreign { .. } => "install.foreign",
            Self::Exists { .. } => "install.exists",
            Self::NotConfirmed => "install.not_confirmed",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownClient { .. } => "`mcp-bridge install` alone lists them".into(),
            Self::NotHere { .. } => "add the bridge in the client's own settings".into(),
            Self::Unreadable { .. } => "correct the file first, so that its client can read it".into(),
            Self::WrongPlace { key, .. } => {
                format!("make `{key}` in the file what the client expects there, or remove it")
            }
            Self::ByHand { key, paste, .. } if paste.is_empty() => format!("take `mcp-bridge` out of `{key}` by hand"),
            Self::ByHand { key, paste, .. } => {
                format!("paste this by hand, within what already stands at `{key}`:\n{paste}")
            }
            Self::Changed { .. } => "close the client, then run the command again".into(),
            Self::Unwritable { .. } => "make the file and its folder writable for you".into(),
            Self::Dangling { .. } => "make the folder that it leads to, or remove the link".into(),
            Self::Foreign { .. } => "give that entry another name, or take it out yourself".into(),
            Self::Exists { .. } => "name another file, or move that one away".into(),
            Self::NotConfirmed => "run it in a terminal, or add --yes".into(),
        }
    }
}
