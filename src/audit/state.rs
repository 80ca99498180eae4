//! What the bridge knows of its trail besides the trail: where it ends. Kept in a small file of its own, so that what is cut off shows.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::Paths;
use crate::regular;

/// Bytes of the file: three numbers and a hash, with room.
const MOST: u64 = 4096;

/// The end of the trail, after the last line that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// Number of the last line.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// Number of the file it stands in.
    pub file: u64,
    /// Number of the first file that is kept.
    pub first: u64,
}

/// What was found in place of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Spoiled,
    State(State),
}

impl State {
    pub fn read(paths: &Paths) -> Found {
        let text = match regular::read(&paths.state(), MOST).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Err(error) if error.is_missing() => return Found::Nothing,
            Ok(Err(_)) | Err(_) => return Found::Spoiled,
        };
        // To the letter: what reads the same and is written otherwise is not what we wrote.
        match serde_json::from_str::<Self>(&text) {
            Ok(state) if state.text() == text => Found::State(state),
            _ => Found::Spoiled,
        }
    }

    /// Replaces the file as a whole, so that a reader sees the old or the new one.
    pub fn write(&self, paths: &Paths) -> io::Result<()> {
        let (to, new) = (paths.state(), paths.new_state());
        write_private(&new, self.text().as_bytes())?;
        fs::rename(new, to)
    }

    fn text(&self) -> String {
        // A struct of numbers and texts has always a text.
        serde_json::to_string(self).map(|text| text + "\n").unwrap_or_default()
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    super::files::private(&mut options);
    options.open(path)?.write_all(bytes)
}
