//! The one thread that writes the trail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::SystemTime;

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
}

struct Open {
    file: File,
    /// Its length, by what we wrote.
    length: u64,
    state: State,
}

type Entry = (SystemTime, Map<String, Value>);

impl Writer {
    pub fn new(options: Options, lock: File, shared: Arc<Shared>) -> Self {
        Self { paths: Paths::at(&options.file), options, shared, _lock: lock, open: None, missing: 0 }
    }

    /// Writes until nobody is left who could send.
    pub fn run(mut self, messages: &Receiver<Message>) {
        // At once, so that a trail that was changed meanwhile shows before anything happens.
        self.write(Vec::new());
        while let Ok(first) = messages.recv() {
            let (mut entries, mut waiting): (Vec<Entry>, Vec<oneshot::Sender<()>>) = Default::default();
            let more = messages.try_iter().take(BATCH);
            for message in std::iter::once(first).chain(more) {
                match message {
                    Message::Line(time, line) => entries.push((time, line)),
                    Message::Flush(done) => waiting.push(done),
                }
            }
            self.write(entries);
            // Who does not wait any more is not told.
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    /// Writes these lines, or counts them among those that are missing.
    fn write(&mut self, entries: Vec<Entry>) {
        let (dropped, count) = (self.shared.dropped.swap(0, Ordering::Relaxed), entries.len() as u64);
        self.missing(dropped);
        if let Err(error) = self.try_write(entries) {
            self.missing(count);
            self.complain(&error);
        } else if let Err(error) = self.retain().and_then(|()| self.note()) {
            self.complain(&error);
        } else if self.health().trouble.take().is_some() {
            tracing::warn!("the audit trail is written again");
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
        tracing::error!(code = "audit.broken", "the audit trail was changed: {found}");
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
    fn note(&mut self) -> io::Result<()> {
        self.open.as_ref().map_or(Ok(()), |open| open.state.write(&self.paths))
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
