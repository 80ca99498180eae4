//! MCP servers found in the config files of MCP clients.
//!
//! Reads files, turns each entry into a [`Found`] with its origin and state, and merges them. Must never start or contact a
//! server, never run a program, and never write a client's file but in [`install`]; else the one file it writes is the bridge's
//! own [`TrustStore`]. Called by `cli`.
//!
//! The way of an entry: `clients` has the rows of data that `sources` makes files of, `file` reads one by its `syntax`, `locate`
//! finds the entries in it, `layers` merges those of one configuration, `clients` undoes a client's own spelling, `entry` folds
//! what is left into one form, `settle` fills in its variables, `judge` decides on its state, `merge` makes one list.

mod claude_code;
mod clients;
mod entry;
mod env_file;
mod error;
mod expand;
mod file;
mod gateway;
mod git;
pub mod import;
pub mod install;
mod itself;
mod judge;
mod layers;
mod locate;
mod memory;
mod merge;
mod oauth;
mod place;
mod remote;
mod scan;
mod settle;
mod sources;
mod survival;
mod syntax;
#[cfg(test)]
mod tests;
mod trust;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::upstream::config::ServerConfig;

pub use clients::{CLIENTS, Client};
pub use error::DiscoveryError;
pub use gateway::{GatewayFile, Key};
use memory::Memory;
pub use place::{Os, Place};
pub use scan::{discover, discover_again};
pub use syntax::Spot;
pub use trust::{Fingerprint, TrustStore};

/// What the user has decided about discovery.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `MCP_SERVERS_CONFIG`: a file whose servers come before all others. Relative to the working folder; `~` is known.
    pub servers_config: Option<PathBuf>,
    /// `MCP_BRIDGE_TRUST_PROJECT`: servers of project files need no approval.
    pub trust_project: bool,
    /// Answers given to the bridge before.
    pub trusted: TrustStore,
    /// `MCP_BRIDGE_SOURCES`: the clients to look at, by their words in [`CLIENTS`]; `auto` is all of them. `None`: those that
    /// are looked at by default.
    pub sources: Option<Vec<String>>,
    /// `MCP_BRIDGE_ALLOW_SELF_SERVER`: do not hold back entries that are the bridge itself.
    pub allow_self: bool,
    /// Variables are not filled in but written in our own dialect, as [`import`] wants them. Such servers cannot be started.
    pub as_written: bool,
}

impl Options {
    fn chooses(&self, word: &str) -> bool {
        match &self.sources {
            Some(words) => words.iter().any(|chosen| chosen == word || chosen == "auto"),
            None => CLIENTS.iter().any(|client| client.word == word && client.by_default),
        }
    }
}

/// What a scan brought to light.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Every entry of every file, highest precedence first; also those that are not used.
    pub found: Vec<Found>,
    pub problems: Vec<Problem>,
    /// The files that were read, in the order of reading.
    pub files: Vec<FileRead>,
    pub looked: Looked,
    /// For [`discover_again`].
    memory: Memory,
}

/// Where a scan looked: what it found depends on nothing else that may change while the bridge runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Files, whether they exist or not.
    pub files: BTreeSet<PathBuf>,
    /// Folders in which any file counts.
    pub folders: BTreeSet<PathBuf>,
}

impl Discovery {
    /// The answers about project servers that were in force.
    pub fn trusted(&self) -> &TrustStore {
        &self.memory.trusted
    }

    /// Further names of servers to use, each with the name of its server.
    pub fn aliases(&self) -> impl Iterator<Item = (String, String)> {
        self.enabled().flat_map(|found| found.aliases.iter().map(|alias| (alias.clone(), found.config.name.clone())))
    }

    /// The servers to use. Their names are unique.
    pub fn enabled(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| found.state == State::Enabled)
    }
}

/// A file in which servers were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    pub path: PathBuf,
    /// As in [`Origin::source`].
    pub source: &'static str,
    pub scope: Scope,
    /// How many entries it holds, usable or not.
    pub servers: usize,
}

/// Where an entry was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which reader found it: `claude-code`, `claude-desktop`, `mcp-folder`, ...
    pub source: &'static str,
    pub scope: Scope,
    /// With symbolic links followed.
    pub file: PathBuf,
    /// JSON pointer of the entry in the file, e.g. `/mcpServers/github`.
    pub pointer: String,
    /// 1-based line on which the entry begins.
    pub line: Option<usize>,
}

/// `claude-code (/home/me/.claude.json:12)`
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.source, self.file.display())?;
        self.line.into_iter().try_for_each(|line| write!(f, ":{line}"))?;
        f.write_str(")")
    }
}

/// For whom an entry was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A file the user named to the bridge.
    Explicit,
    /// The user, everywhere.
    User,
    /// The user, in this workspace.
    Local,
    /// Everyone who has the project: a stranger may have written it.
    Project,
    /// An administrator.
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
    /// Ready to be used when `state` is [`State::Enabled`]. Variables are as written while an approval is pending; for an
    /// invalid entry only the name means anything.
    pub config: ServerConfig,
    /// The name as written in its file; `config.name` is `source:name` where another server has the name.
    pub name: String,
    /// Further names under which the same server is written.
    pub aliases: Vec<String>,
    pub origin: Origin,
    /// Further places that hold the same server.
    pub also: Vec<Origin>,
    pub state: State,
    /// Remarks that do not stop it from being used (unknown keys, unset variables).
    pub warnings: Vec<String>,
    /// Why it cannot be said in our own form, where a scan for [`import`] found that.
    pub unsayable: Option<&'static str>,
    /// What the entry said, for the [`TrustStore`].
    pub fingerprint: Fingerprint,
}

/// A file or entry that could not be read. Holds no value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None` when it concerns no file.
    pub file: Option<PathBuf>,
    /// 1-based line, where one is known.
    pub line: Option<usize>,
    /// JSON pointer of what it is about, where that is known.
    pub pointer: Option<String>,
    /// As in [`DiscoveryError::code`].
    pub code: &'static str,
    pub reason: String,
    pub hint: String,
    /// What it is about counts as it last was; so it is where a bridge that runs has read it before.
    pub kept: bool,
}

impl Problem {
    /// A fault outside the files that were searched.
    pub fn about(error: &DiscoveryError) -> Self {
        Self::new(None, None, error)
    }

    fn new(file: Option<&Path>, line: Option<usize>, error: &DiscoveryError) -> Self {
        let file = file.map(Path::to_owned);
        let (reason, hint) = (error.to_string(), error.hint());
        Self { file, line, pointer: None, code: error.code(), reason, hint, kept: false }
    }

    /// A name that stands twice in a file.
    pub fn twice(file: &Path, name: &str, spot: Spot) -> Self {
        Self::new(Some(file), Some(spot.line), &DiscoveryError::Twice { name: words::shown(name) })
    }
}

/// `/home/me/.claude.json:12: what is wrong; what to do`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            self.line.into_iter().try_for_each(|line| write!(f, ":{line}"))?;
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.reason, self.hint)?;
        f.write_str(if self.kept { " (until then it counts as it last was)" } else { "" })
    }
}
