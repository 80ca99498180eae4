//! What files said when they were last good. A scan that is given it goes on with that where a file, or an entry of one, is spoiled.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::TrustStore;
use super::syntax::Syntax;

#[derive(Clone, Default)]
pub(super) struct Memory {
    pub files: BTreeMap<(PathBuf, Syntax), Remembered>,
    pub entries: BTreeMap<EntryKey, Value>,
    pub trusted: TrustStore,
}

/// A file that could be read.
#[derive(Clone)]
pub(super) struct Remembered {
    pub canonical: PathBuf,
    pub text: Arc<str>,
}

/// Which reader found an entry, in which file, under which name: its place in the file may change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryKey {
    pub source: &'static str,
    pub file: PathBuf,
    pub name: String,
}

impl Memory {
    /// Whether there was something in this file.
    pub fn knows(&self, path: &Path) -> bool {
        self.files.keys().any(|(known, _)| known == path)
    }
}

/// Files hold secrets.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} files, {} entries)", self.files.len(), self.entries.len())
    }
}
