//! MCP servers found in the config files of MCP clients.
//!
//! Reads files (never writes one), turns each entry into a [`Found`] with its origin and state, and merges them. Must never
//! start or contact a server. Called by `cli`.

use std::path::PathBuf;

use crate::upstream::config::ServerConfig;

/// Where an entry was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which reader found it: `claude-code`, `claude-desktop`, `mcp-folder`, ...
    pub source: &'static str,
    pub scope: Scope,
    pub file: PathBuf,
    /// JSON pointer of the entry in the file, e.g. `/mcpServers/github`.
    pub pointer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Explicit,
    User,
    Local,
    Project,
    Managed,
}

/// Whether an entry is used, and if not, why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Enabled,
    /// Switched off where it was written.
    Disabled {
        reason: String,
    },
    /// From a project's own files and not approved by its owner.
    PendingApproval {
        reason: String,
    },
    /// The bridge itself, or refused by a rule.
    Blocked {
        reason: String,
    },
    /// A variable or secret it needs is not set.
    NeedsInput {
        reason: String,
    },
    /// Another entry of the same name has precedence.
    Shadowed {
        reason: String,
    },
    /// The entry cannot be understood.
    Invalid {
        reason: String,
    },
}

/// One entry as found.
#[derive(Clone, Debug)]
pub struct Found {
    pub config: ServerConfig,
    pub origin: Origin,
    /// Further places that hold the same server.
    pub also: Vec<Origin>,
    pub state: State,
    /// Remarks that do not stop it from being used (unknown keys, unset variables).
    pub warnings: Vec<String>,
}

/// A file or entry that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// 1-based line, where one is known.
    pub line: Option<usize>,
    pub reason: String,
    pub hint: String,
}
