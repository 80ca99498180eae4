//! The one thread that writes the trail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::clock::rfc3339;
use super::files::{Paths, is_at};
use super::line::sealed;
use super::state::State;
use super::tail::tail;
use super::trail::{Health, Message, Options, Shared};
use crate::regular;

/// Lines written at once, when they wait: one call of the system for many of them.
const BATCH: usize = 256;

/// How long a line may stand there before it is noted where the trail ends: a file made and renamed costs ten times as much as a line,
/// and what is cut off within this time could not be told from what was never written.
const NOTE_AFTER: Duration = Duration::from_millis(10);

pub(super) struct Writer {
    paths: Paths,
    options: Options,
    shared: Arc<Shared>,
    /// Held as long as the writer lives.
    _lock: File,
    /// What is written to, once it could be opened.
    open: Option<Open>,
    /// Lines that could not be written and have not been told of.
    missing: u64,
    /// What was noted last, and when the next note is due.
    noted: Option<State>,
    due: Option<Instant>,
}

struct Open {
    file: File,
    /// Its length, by what we wrote.
    length: u64,
    state: State,
}

type Entry = (SystemTime, Map<String, Value>);
type Waiting = oneshot::Sender<()>;

impl Writer {
    pub fn new(options: Options, lock: File, shared: Arc<Shared>) -> Self {
        let paths = Paths::at(&options.file);
        Self { paths, options, shared, _lock: lock, open: None, missing: 0, noted: None, due: None }
    }

    /// Writes until nobody is left who could send.
    pub fn run(mut self, messages: &Receiver<Message>) {
        // At once, so that a trail that was changed meanwhile shows before anything happens.
        self.write(Vec::new(), Vec::new());
        while let Some(first) = self.next(messages) {
            let (mut entries, mut waiting, mut flushed): (Vec<Entry>, Vec<Waiting>, Vec<Waiting>) = Default::default();
            let more = messages.try_iter().take(BATCH);
            for message in std::iter::once(first).chain(more) {
                match message {
                    Message::Line(time, line, done) => {
                        entries.push((time, line));
                        waiting.push(done);
                    }
                    Message::Flush(done) => flushed.push(done),
                }
            }
            self.write(entries, waiting);
            if !flushed.is_empty() {
                self.note();
                tell(flushed);
            }
        }
        self.note();
    }

    /// The next message, and meanwhile a note that is due.
    fn next(&mut self, messages: &Receiver<Message>) -> Option<Message> {
        loop {
            let Some(due) = self.due else { return messages.recv().ok() };
            // However many messages there are.
            let left = due.saturating_duration_since(Instant::now());
            match messages.recv_timeout(left) {
                Ok(message) if !left.is_zero() => return Some(message),
                Ok(message) => {
                    self.note();
                    return Some(message);
                }
                Err(RecvTimeoutError::Timeout) => self.note(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Writes these lines, or counts them among those that are missing; tells who waits for them.
    fn write(&mut self, entries: Vec<Entry>, waiting: Vec<Waiting>) {
        let (dropped, count) = (self.shared.dropped.swap(0, Ordering::Relaxed), entries.len() as u64);
        self.missing(dropped);
        let written = self.try_write(entries);
        tell(waiting);
        self.shared.late.store(false, Ordering::Relaxed);
        if let Err(error) = written {
            self.missing(count);
            return self.complain(&error);
        }
        if let Err(error) = self.retain() {
            return self.complain(&error);
        }
        let files = |state: &State| (state.first, state.file);
        let now = self.open.as_ref().map(|open| files(&open.state));
        if now != self.noted.as_ref().map(files) {
            // Which files there are is found by what is noted.
            self.note();
        } else if self.due.is_none() && self.open.as_ref().map(|open| &open.state) != self.noted.as_ref() {
            self.due = Some(Instant::now() + NOTE_AFTER);
        }
    }

    fn missing(&mut self, lines: u64) {
        self.missing += lines;
        self.health().missing += lines;
    }

    /// Said once, until it works again.
    fn complain(&self, error: &io::Error) {
        if self.health().trouble.replace(error.to_string()).is_none() {
            tracing::error!(code = "audit.unwritten", "the audit trail cannot be written: {error}");
        }
    }

    fn try_write(&mut self, mut entries: Vec<Entry>) -> io::Result<()> {
        match &self.open {
            None => self.open()?,
            Some(open) if open.length >= self.options.size => self.rotate()?,
            Some(_) => self.look()?,
        }
        if self.missing > 0 {
            entries.insert(0, own("missing", [("lines", json!(self.missing))]));
        }
        let is_empty = self.open.as_ref().is_some_and(|open| open.length == 0);
        if is_empty || !entries.is_empty() {
            self.append(entries)?;
            self.missing = 0;
        }
        Ok(())
    }

    /// Opens the trail where it ended, and notes what does not fit.
    fn open(&mut self) -> io::Result<()> {
        let tail = tail(&self.paths);
        let file = self.paths.open()?;
        let length = file.metadata()?.len();
        self.open = Some(Open { file, length, state: tail.state });
        tail.broken.map_or(Ok(()), |found| self.broken(&found))
    }

    /// Looks whether the file ends where we left it: a line that somebody else wrote must not pass for the one before ours.
    fn look(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if !is_at(&open.file, self.paths.active()) {
            self.paths.check().map_err(|error| io::Error::other(error.to_string()))?;
            open.file = self.paths.open()?;
            open.length = open.file.metadata()?.len();
            return self.broken("the file was removed, or another one put in its place");
        }
        let length = open.file.metadata()?.len();
        let found = match length.cmp(&open.length) {
            std::cmp::Ordering::Equal => return Ok(()),
            std::cmp::Ordering::Greater => format!("{} bytes that the bridge did not write", length - open.length),
            std::cmp::Ordering::Less => format!("{} bytes fewer than the bridge wrote", open.length - length),
        };
        open.length = length;
        self.broken(&found)
    }

    /// Notes that something is not as it was left. The chain goes on from the last line that was written, which the note names.
    fn broken(&mut self, found: &str) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        tracing::error!(code = "audit.broken", "the audit trail is not as it was left: {found}");
        let ends_a_line = open.length == 0 || ends_with_line_feed(self.paths.active())?;
        if !ends_a_line {
            open.file.write_all(b"\n")?;
            open.length += 1;
        }
        let after =
            [("found", json!(found)), ("after_seq", json!(open.state.seq)), ("after_hash", json!(open.state.hash))];
        self.append(vec![own("break", after)])?;
        self.health().breaks += 1;
        Ok(())
    }

    /// Writes lines at the end; a file that has none gets its head before them.
    fn append(&mut self, mut entries: Vec<Entry>) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.length == 0 {
            let State { file, hash, .. } = &open.state;
            let head = [("file", json!(file)), ("previous", json!(file - 1)), ("previous_hash", json!(hash))];
            entries.insert(0, own("head", head));
        }
        let mut bytes = String::new();
        let mut state = open.state.clone();
        for (time, line) in entries {
            state.seq += 1;
            let mut body = Map::new();
            body.insert("seq".into(), state.seq.into());
            body.insert("time".into(), rfc3339(time).into());
            body.extend(line);
            let (line, hash) = sealed(&state.hash, &Value::Object(body).to_string());
            bytes.push_str(&line);
            state.hash = hash;
        }
        if let Err(error) = open.file.write_all(bytes.as_bytes()) {
            // A piece of it may stand there. It is our own and no line: it is taken back.
            open.file.set_len(open.length)?;
            return Err(error);
        }
        open.length += bytes.len() as u64;
        open.state = state;
        Ok(())
    }

    /// Notes where the trail ends. After the lines: a bridge that is killed in between leaves lines that nobody noted, and never the
    /// reverse.
    fn note(&mut self) {
        self.due = None;
        let Some(open) = self.open.as_ref().filter(|open| self.noted.as_ref() != Some(&open.state)) else { return };
        match open.state.write(&self.paths) {
            Ok(()) => {
                self.noted = Some(open.state.clone());
                if self.health().trouble.take().is_some() {
                    tracing::warn!("the audit trail is written again");
                }
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Gives the file its number and begins the next.
    fn rotate(&mut self) -> io::Result<()> {
        self.look()?;
        let Some(open) = &self.open else { return Ok(()) };
        let rotated = self.paths.rotated(open.state.file);
        fs::rename(self.paths.active(), &rotated)?;
        let state = State { file: open.state.file + 1, ..open.state.clone() };
        match self.paths.open() {
            Ok(file) => self.open = Some(Open { file, length: 0, state }),
            Err(error) => {
                fs::rename(rotated, self.paths.active())?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Removes the oldest files above what is kept. It is recorded first, so that what is gone by rule and what is gone otherwise can be
    /// told apart.
    fn retain(&mut self) -> io::Result<()> {
        let keep = self.options.keep as u64;
        while let Some(open) = self.open.as_mut().filter(|open| open.state.file - open.state.first > keep) {
            let first = open.state.first;
            open.state.first += 1;
            if let Err(error) = self.append(vec![own("removed", [("file", json!(first))])]) {
                if let Some(open) = &mut self.open {
                    open.state.first = first;
                }
                return Err(error);
            }
            match fs::remove_file(self.paths.rotated(first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who does not wait any more is not told.
fn tell(waiting: Vec<Waiting>) {
    for done in waiting {
        let _ = done.send(());
    }
}

/// A line about the trail itself.
fn own<const N: usize>(kind: &str, members: [(&str, Value); N]) -> Entry {
    let mut line = Map::new();
    line.insert("kind".into(), kind.into());
    line.extend(members.map(|(name, value)| (name.to_owned(), value)));
    (SystemTime::now(), line)
}

fn ends_with_line_feed(path: &std::path::Path) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = regular::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
