//! Whether a trail is whole: every line as it was written, none missing, none added.

use std::fmt;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::error::AuditError;
use super::files::Paths;
use super::line::{BEFORE_ALL, Line};
use super::state::{Found, State};
use super::tail::next_line;
use crate::regular;

/// Faults that are told one by one; a file of garbage has as many as lines.
const MOST: usize = 100;
/// A bridge that is writing may move on while its files are read; it does so rarely, and then they are read again.
const TRIES: usize = 5;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    /// Counted from 1; none where it is the file itself.
    pub line: Option<u64>,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

/// What a trail holds, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub files: usize,
    pub lines: u64,
    /// Lines that the trail says could not be written: no fault of who reads it, and not hidden either.
    pub missing: u64,
    /// Number and hash of the last line: kept in another place, they show later whether the trail was forged as a whole.
    pub end: Option<(u64, String)>,
    pub faults: Vec<Fault>,
}

/// Reads a trail, whether or not a bridge is writing it.
///
/// # Errors
/// There is no trail, or what is there is no file.
pub fn verify(file: &Path) -> Result<Verified, AuditError> {
    let paths = Paths::at(file);
    paths.check_to_read()?;
    let mut tries = 0;
    loop {
        let before = State::read(&paths);
        let verified = read(&paths, &before);
        tries += 1;
        if verified.faults.is_empty() || tries == TRIES || State::read(&paths) == before {
            let is_there = verified.files > 0 || before != Found::Nothing;
            return if is_there { Ok(verified) } else { Err(AuditError::Missing { file: file.to_owned() }) };
        }
    }
}

fn read(paths: &Paths, found: &Found) -> Verified {
    let mut reading = Reading { verified: Verified::default(), before: None, seq: None, removed: 0, known: None };
    let known = match found {
        Found::State(state) => Some(state),
        Found::Nothing | Found::Spoiled => {
            reading.fault(&paths.state(), None, "it says where the trail ends, and is gone or changed".into());
            None
        }
    };
    reading.known = known.cloned().map(|state| (state, false));
    // Removed by rule, and left over by a bridge that was killed before it had removed it.
    let numbers: Vec<u64> = paths.numbers().into_iter().filter(|n| known.is_none_or(|it| *n >= it.first)).collect();
    let mut next = known.map_or_else(|| numbers.first().copied().unwrap_or(1), |state| state.first);
    let first = next;
    for number in &numbers {
        reading.gap(paths, next, *number);
        reading.file(&paths.rotated(*number), *number, false);
        next = number + 1;
    }
    if paths.active().exists() {
        if let Some(state) = known.filter(|state| state.file > next) {
            reading.gap(paths, next, state.file);
            next = state.file;
        }
        reading.file(paths.active(), next, true);
    } else if known.is_none_or(|state| !numbers.contains(&state.file)) {
        reading.fault(paths.active(), None, "the file is gone".into());
    }
    reading.end(paths, known, first);
    reading.verified
}

struct Reading {
    verified: Verified,
    /// The hash of the line before, unless it is not known.
    before: Option<String>,
    seq: Option<u64>,
    /// The last file that was removed by rule, as the trail says.
    removed: u64,
    /// The line that must be the last, or be followed only by such as nobody noted; whether it was seen.
    known: Option<(State, bool)>,
}

impl Reading {
    fn fault(&mut self, file: &Path, line: Option<u64>, what: String) {
        if self.verified.faults.len() < MOST {
            self.verified.faults.push(Fault { file: file.to_owned(), line, what });
        }
    }

    /// Files that must be there between two that are.
    fn gap(&mut self, paths: &Paths, from: u64, to: u64) {
        if from < to {
            (from..to)
                .take(MOST)
                .for_each(|number| self.fault(&paths.rotated(number), None, "the file is gone".into()));
            self.before = None;
        }
    }

    fn file(&mut self, path: &Path, number: u64, is_written: bool) {
        let file = match regular::open(path) {
            Ok(file) => file,
            Err(error) => return self.fault(path, None, format!("the file cannot be read: {error}")),
        };
        self.verified.files += 1;
        let (mut lines, mut at) = (BufReader::new(file), 0);
        while let Ok(Some(bytes)) = next_line(&mut lines) {
            at += 1;
            self.line(path, number, at, &bytes);
        }
        // One that was just begun has none yet; that it lost them shows at the end.
        if at == 0 && !is_written {
            self.fault(path, None, "the file is empty".into());
        }
    }

    fn line(&mut self, path: &Path, file: u64, at: u64, bytes: &[u8]) {
        let Some(whole) = bytes.strip_suffix(b"\n") else {
            let what = "this line has no end: a bridge was stopped while it wrote, or somebody cut it";
            return self.fault(path, Some(at), what.into());
        };
        let Some(line) = Line::parse(whole) else {
            return self.fault(path, Some(at), "the bridge did not write this line, or not all of it".into());
        };
        self.verified.lines += 1;
        let is_head = line.kind() == "head";
        if is_head != (at == 1) {
            self.fault(path, Some(at), "a file begins with a head, and has no other".into());
        }
        if is_head {
            if line.number("file") != Some(file) {
                self.fault(path, Some(at), format!("this is the head of another file, not of number {file}"));
            }
            // Where the file before is gone, the head says what it ended with.
            self.before.get_or_insert_with(|| line.text("previous_hash").to_owned());
        }
        if line.kind() == "break" {
            self.fault(path, Some(at), format!("the bridge found here: {}", line.text("found")));
            // It names the line that it follows, which may be gone.
            self.before = Some(line.text("after_hash").to_owned());
            self.seq = line.number("after_seq");
        }
        let seq = line.number("seq");
        let before = self.before.as_deref().unwrap_or(BEFORE_ALL);
        if !line.follows(before) {
            self.fault(path, Some(at), "this line was changed, or the one before it is not the one that was".into());
        } else if self.seq.is_some_and(|before| seq != Some(before + 1)) {
            self.fault(path, Some(at), "its number does not follow".into());
        }
        match line.kind() {
            "missing" => self.verified.missing += line.number("lines").unwrap_or(0),
            "removed" => self.removed = line.number("file").unwrap_or(0),
            _ => {}
        }
        if let Some((known, seen)) = &mut self.known
            && (seq, &line.hash, file) == (Some(known.seq), &known.hash, known.file)
        {
            *seen = true;
        }
        self.verified.end = seq.map(|seq| (seq, line.hash.clone()));
        self.before = Some(line.hash);
        self.seq = seq;
    }

    fn end(&mut self, paths: &Paths, known: Option<&State>, first: u64) {
        if self.known.as_ref().is_some_and(|(_, seen)| !seen) {
            self.fault(paths.active(), None, "the last line that the bridge wrote is not there".into());
        }
        if known.is_some() && self.removed + 1 != first {
            let what =
                format!("the trail begins with file {first}, and says that it removed those up to {}", self.removed);
            self.fault(paths.active(), None, what);
        }
    }
}
