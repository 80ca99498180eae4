//! The bridge's own entry in a client's file: added, and taken out again.
//!
//! The one place that writes a client's file, and only when a person asks for it (`mcp-bridge install`). A change is a [`Plan`]
//! first: the whole new text, which is read back and must mean the old one with one entry more, or one less. Comments and
//! layout stay. Writing is in `write`.

mod edit;
mod entry;
mod error;
mod targets;
#[cfg(test)]
mod tests;
mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use error::InstallError;
pub use targets::{TARGETS, Target};

use super::place::Place;
use super::sources;

/// The name of our entry.
pub const NAME: &str = "mcp-bridge";

/// Larger than any client's file; such a file is something else.
const MAX_BYTES: u64 = 5 * 1024 * 1024;

/// What to do with the entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Start this program.
    Add {
        program: PathBuf,
    },
    Remove,
}

/// A change that is worked out and not made yet.
#[derive(Debug)]
pub struct Plan {
    /// The file as the client names it.
    pub file: PathBuf,
    /// The key under which the entry stands.
    pub key: String,
    /// The entry in the file's own notation, for a person to read.
    pub entry: String,
    pub(super) before: Option<String>,
    pub(super) after: String,
}

impl Target {
    /// Where this client keeps its servers: the first of its files that is there, or else the first it would make.
    pub fn file(&self, place: &Place) -> Option<PathBuf> {
        let spots = sources::spots(self.spots, place);
        spots.iter().find(|file| file.exists()).or(spots.first()).cloned()
    }

    /// Works out `change`; `None` where the file is already as it should be.
    ///
    /// # Errors
    /// When the file cannot be read, is not what its owner would accept, or has something else where servers should be. With
    /// a notation that cannot be edited safely the error holds the text to paste.
    pub fn plan(&self, place: &Place, change: &Change) -> Result<Option<Plan>, InstallError> {
        let file = self.file(place).ok_or(InstallError::NotHere { client: self.title })?;
        let before = read(&file)?;
        let key = self.keys.join(".");
        let text = before.as_deref().unwrap_or_default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let old = match text.trim() {
            "" => Value::Object(Map::new()),
            _ => self.syntax.read(text).map_err(|(error, line)| InstallError::Unreadable {
                file: file.clone(),
                line,
                reason: error.to_string(),
            })?,
        };
        let standing = entry::standing(&old, self);
        if standing.iter().any(|entry| !entry::starts_the_bridge(entry, place)) {
            return Err(InstallError::Foreign { file, key });
        }
        let entry = match change {
            Change::Add { program } => {
                let ours = (self.entry)(&program.to_string_lossy());
                // Of several in a list the first one is the one that stays.
                Some(standing.first().map_or_else(|| ours.clone(), |standing| entry::renewed(&ours, standing)))
            }
            Change::Remove => None,
        };
        let wanted = with_entry(&old, self, entry.as_ref())
            .ok_or_else(|| InstallError::WrongPlace { file: file.clone(), key: key.clone() })?;
        if wanted == old {
            return Ok(None);
        }
        let paste = entry.as_ref().map(|entry| edit::fresh(self, entry)).unwrap_or_default();
        let by_hand = || InstallError::ByHand { file: file.clone(), key: key.clone(), paste: paste.clone() };
        let after = edit::edit(self, text, entry.as_ref()).ok_or_else(by_hand)?;
        // Whatever the edit did, the result must mean what was wanted and nothing else.
        let made = self.syntax.read(&after).map(|made| meaning(made, self.keys)).ok();
        if made != Some(meaning(wanted, self.keys)) {
            return Err(by_hand());
        }
        Ok(Some(Plan { file, key, entry: paste, before, after }))
    }
}

impl Plan {
    /// Makes the change; gives the copy of the old file, where there was one.
    ///
    /// # Errors
    /// When the file is not what it was, or cannot be written. The file then is as somebody else left it.
    pub fn apply(&self) -> Result<Option<PathBuf>, InstallError> {
        write::write(&self.file, self.before.as_deref(), &self.after)
    }
}

fn read(file: &Path) -> Result<Option<String>, InstallError> {
    let failed = |reason: String| InstallError::Unreadable { file: file.to_owned(), line: None, reason };
    match super::file::read_bounded(file, MAX_BYTES) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => String::from_utf8(bytes).map(Some).map_err(|_| failed("the text is not UTF-8".into())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The document with our entry set or taken out; `None` where something else than servers stands in the way.
fn with_entry(old: &Value, target: &Target, entry: Option<&Value>) -> Option<Value> {
    let mut new = old.clone();
    let mut holder = new.as_object_mut()?;
    let (last, above) = target.keys.split_last()?;
    for key in above {
        if entry.is_none() && !holder.contains_key(*key) {
            return Some(old.clone());
        }
        holder = filled(holder, key, || Value::Object(Map::new())).as_object_mut()?;
    }
    let missing = holder.get(*last).is_none_or(Value::is_null);
    match (entry, target.list) {
        (None, _) if missing => return Some(old.clone()),
        (Some(entry), false) => {
            let servers = filled(holder, last, || Value::Object(Map::new())).as_object_mut()?;
            servers.insert(NAME.to_owned(), entry.clone());
        }
        (None, false) => {
            holder.get_mut(*last)?.as_object_mut()?.shift_remove(NAME);
        }
        (entry, true) => {
            let servers = filled(holder, last, || Value::Array(Vec::new())).as_array_mut()?;
            servers.retain(|server| !entry::is_named(server));
            // New ones stand first, where the text is easily found.
            if let Some(entry) = entry {
                servers.insert(0, entry.clone());
            }
        }
    }
    Some(new)
}

/// What stands under `key`, or `new` where nothing does.
fn filled<'m>(holder: &'m mut Map<String, Value>, key: &str, new: impl FnOnce() -> Value) -> &'m mut Value {
    let held = holder.entry(key).or_insert(Value::Null);
    if held.is_null() {
        *held = new();
    }
    held
}

/// A document without the container that holds no server: that it is there, or is not, means the same.
fn meaning(mut document: Value, keys: &[&str]) -> Value {
    let Some((last, above)) = keys.split_last() else { return document };
    let holder = above.iter().try_fold(&mut document, |value, key| value.get_mut(*key)).and_then(Value::as_object_mut);
    let is_empty = |value: &Value| match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        other => other.is_null(),
    };
    if let Some(holder) = holder
        && holder.get(*last).is_some_and(is_empty)
    {
        holder.shift_remove(*last);
    }
    document
}

/// The permissions and the place that a file's successor takes over.
fn real(file: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(file) {
        Ok(_) => match file.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => led_to(file),
            found => found,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file.to_owned()),
        Err(error) => Err(error),
    }
}

/// Where a link leads at whose end nothing is yet. The folder must be there: a link into one that is not, such as a volume that is not
/// mounted, is not for us to fill.
fn led_to(link: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut path = link.to_owned();
    for _ in 0..MOST {
        let Ok(next) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    match path.parent() {
        Some(folder) if folder.is_dir() && !path.is_symlink() => Ok(path),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}
