//! What can be wrong with a file of rules, and what a caller has used up.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where something stands in a file; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Why a file of rules cannot be used. One such error, and nothing of the file is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("the access rules {} cannot be read: {reason}", .file.display())]
    Unreadable { file: PathBuf, reason: String },
    #[error("{place}: {message}")]
    Syntax { place: Place, message: String },
    #[error("{place}: {within} has no key {key:?}")]
    UnknownKey { place: Place, within: String, key: String, nearest: Option<String> },
    #[error("{place}: {what} is {found}; accepted is {accepted}")]
    Value { place: Place, what: String, found: String, accepted: &'static str },
    #[error("{place}: {within} has no {key:?}")]
    Missing { place: Place, within: String, key: &'static str, add: &'static str },
    #[error("{place}: {name:?} cannot be the name of a caller: it {why}")]
    ReservedName { place: Place, name: String, why: &'static str },
    #[error("{place}: {key:?} stands twice in {within}")]
    Duplicate { place: Place, within: String, key: String },
}

impl AccessError {
    /// Where in the file it is, if it is in it.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::Value { place, .. }
            | Self::Missing { place, .. }
            | Self::ReservedName { place, .. }
            | Self::Duplicate { place, .. } => Some(place),
        }
    }

    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "access.unreadable",
            Self::Syntax { .. } => "access.syntax",
            Self::UnknownKey { .. } => "access.unknown_key",
            Self::Value { .. } => "access.value",
            Self::Missing { .. } => "access.missing",
            Self::ReservedName { .. } => "access.reserved_name",
            Self::Duplicate { .. } => "access.duplicate",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "set MCP_BRIDGE_ACCESS to a file that this user can read, or unset it".into(),
            Self::Syntax { .. } => "write JSON; comments and trailing commas are allowed".into(),
            Self::UnknownKey { nearest: Some(near), .. } => format!("did you mean {near:?}?"),
            Self::UnknownKey { .. } => "leave it out; GUIDE names the keys there are".into(),
            Self::Value { accepted, .. } => format!("write {accepted}"),
            Self::Missing { add, .. } => format!("add {add}"),
            Self::ReservedName { .. } => "move it into the entry of a caller, or rename the caller".into(),
            Self::Duplicate { .. } => "keep one of them".into(),
        }
    }
}

/// A caller has used up what its entry allows.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LimitError {
    #[error("{caller} may have {limit} programs running at a time, and has")]
    Runs { caller: String, limit: usize },
    #[error("{caller} may begin {limit} programs a minute; the next may begin in {} s", whole_seconds(*.wait))]
    RunRate { caller: String, limit: f64, wait: Duration },
    #[error("{caller} may make {limit} calls a minute; the turn of this one would come in {} s, after its deadline", whole_seconds(*.wait))]
    CallRate { caller: String, limit: f64, wait: Duration },
    #[error("{caller} may make {limit} calls in one run, and has made them")]
    CallsPerRun { caller: String, limit: u64 },
}

impl LimitError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Runs { .. } => "access.runs",
            Self::RunRate { .. } => "access.run_rate",
            Self::CallRate { .. } => "access.call_rate",
            Self::CallsPerRun { .. } => "access.calls_per_run",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Runs { .. } => "wait until one of them has ended",
            Self::RunRate { .. } => "do more in one program, or wait that long",
            Self::CallRate { .. } => "make fewer calls, or allow more time",
            Self::CallsPerRun { .. } => "make fewer calls, or do the rest in another run",
        }
    }
}

/// Rounded up, so that waiting as long as the text says is always enough.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
