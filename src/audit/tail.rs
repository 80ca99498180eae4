//! Where the trail ends when the bridge starts: what is there, held against what was known.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use super::files::Paths;
use super::line::{BEFORE_ALL, LONGEST, Line};
use super::state::{Found, State};
use crate::regular;

/// Where writing goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The last line; `file` is the one that is written next.
    pub state: State,
    /// What does not fit together, if anything.
    pub broken: Option<String>,
}

/// Looks at the files as they were left.
pub(super) fn tail(paths: &Paths) -> Tail {
    let (numbers, length) = (paths.numbers(), paths.active().metadata().map(|meta| meta.len()).ok());
    let is_there = length.is_some();
    match State::read(paths) {
        Found::State(known) => {
            // A bridge that was killed when it had begun the next file, and had not noted that.
            let has_turned = numbers.contains(&known.file);
            let rotated = has_turned.then(|| paths.rotated(known.file));
            let files: Vec<_> = rotated.into_iter().chain(is_there.then(|| paths.active().to_owned())).collect();
            let read = ends(&files, &known);
            let broken = read.as_ref().err().cloned();
            let state = read.unwrap_or(known);
            // A file that is gone keeps its number.
            let turned = u64::from(has_turned || !is_there);
            Tail { state: State { file: state.file + turned, ..state }, broken }
        }
        Found::Nothing if length.unwrap_or(0) == 0 && numbers.is_empty() => {
            Tail { state: State { file: 1, first: 1, ..nothing() }, broken: None }
        }
        Found::Nothing | Found::Spoiled => {
            let (first, last) = (numbers.first().copied().unwrap_or(1), numbers.last().copied().unwrap_or(0));
            let broken = Some("the file that says where the trail ends is gone or changed".to_owned());
            Tail { state: State { file: last + 1, first, ..nothing() }, broken }
        }
    }
}

fn nothing() -> State {
    State { seq: 0, hash: BEFORE_ALL.to_owned(), file: 0, first: 0 }
}

/// The state after the last line of these files. The one that is known must stand in them, and lines that were written after it, by
/// a bridge that was killed before it could note them, must follow.
fn ends(files: &[PathBuf], known: &State) -> Result<State, String> {
    let unreadable = |error: io::Error| format!("it cannot be read: {error}");
    let mut end: Option<State> = None;
    for file in files {
        let mut lines = BufReader::new(regular::open(file).map_err(|error| unreadable(error.into()))?);
        while let Some(bytes) = next_line(&mut lines).map_err(unreadable)? {
            let line = bytes.strip_suffix(b"\n").and_then(Line::parse);
            match (&mut end, line) {
                (None, Some(line)) if line.number("seq") == Some(known.seq) && line.hash == known.hash => {
                    end = Some(known.clone());
                }
                // What stands before is for `audit verify`.
                (None, _) => {}
                (Some(end), Some(line)) if line.follows(&end.hash) && line.number("seq") == Some(end.seq + 1) => {
                    *end = State { seq: end.seq + 1, hash: line.hash, ..end.clone() };
                }
                (Some(_), _) if !bytes.ends_with(b"\n") => {
                    let length = bytes.len();
                    return Err(format!(
                        "a line without an end, of {length} bytes: a bridge was stopped while it wrote, or somebody cut it"
                    ));
                }
                (Some(_), _) => {
                    return Err("there is something after the last line that the bridge did not write".into());
                }
            }
        }
    }
    end.ok_or_else(|| "the last line that the bridge wrote is gone or changed".to_owned())
}

/// The next line with its line feed, which only a last line may lack; of one that is longer than any of ours, a piece.
pub(super) fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    lines.take(LONGEST as u64 + 1).read_until(b'\n', &mut bytes)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}
