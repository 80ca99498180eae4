//! The notations config files are written in, each read into one form: a JSON value, and the lines its members stand on.
//!
//! Pure functions over text, bounded in depth and size whatever they are given. No message holds a value of the text.

mod json;
mod jsonc;
mod spot;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::DiscoveryError;
pub use spot::Spot;

/// Real files use about ten levels; serde_json would stop at 128, which is more than our recursion should rely on.
pub(super) const MAX_DEPTH: usize = 64;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Syntax {
    /// To the letter: its owner refuses the whole file for one comment.
    Json,
    /// With comments and trailing commas.
    Jsonc,
    Toml,
    Yaml,
}

/// Why a text is not what it should be, and on which 1-based line, where one is known.
pub(super) type Fault = (DiscoveryError, Option<usize>);

impl Syntax {
    /// The value that `text` describes; nested at most [`MAX_DEPTH`] levels.
    pub fn read(self, text: &str) -> Result<Value, Fault> {
        let root = match self {
            Self::Json => json::read(text),
            // A file of nothing but comments, or of nothing, is an empty one where comments are allowed.
            Self::Jsonc => jsonc::read(text),
            Self::Toml => toml::read(text),
            Self::Yaml => yaml::read(text),
        }?;
        if depth(&root) > MAX_DEPTH { Err(too_deep(None)) } else { Ok(root) }
    }

    /// The line on which each member of the object at `path` begins; empty where there is none.
    pub fn lines(self, text: &str, path: &[String]) -> BTreeMap<String, usize> {
        let offsets = match self {
            Self::Json => json::offsets(text, path),
            Self::Jsonc => jsonc::offsets(text, path),
            Self::Toml => toml::offsets(text, path),
            Self::Yaml => return yaml::lines(text, path),
        };
        let mut places: Vec<(usize, String)> =
            offsets.unwrap_or_default().into_iter().map(|(key, offset)| (offset, key)).collect();
        places.sort();
        let (mut line, mut counted) = (1, 0);
        let mut lines = BTreeMap::new();
        for (offset, key) in places {
            line += newlines(&text.as_bytes()[counted..offset]);
            counted = offset;
            lines.insert(key, line);
        }
        lines
    }

    /// What this notation is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Jsonc => "JSON with comments",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }

    fn fault(self, message: impl Into<String>, line: usize) -> Fault {
        (DiscoveryError::Syntax { syntax: self.name(), message: message.into() }, Some(line.max(1)))
    }
}

fn too_deep(line: Option<usize>) -> Fault {
    (DiscoveryError::TooDeep { limit: MAX_DEPTH }, line)
}

fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The 1-based line that follows `before`.
pub(super) fn line_at(before: &[u8]) -> usize {
    newlines(before) + 1
}
