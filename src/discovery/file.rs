//! One config file, read within limits: a document, or the reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::Problem;
use super::error::DiscoveryError;
use super::memory::{Memory, Remembered};
use super::syntax::{Fault, Syntax, line_at};
use crate::regular::{self, ReadError};

/// Far above any real file (a long-used `~/.claude.json` has a few hundred kB), far below what would hurt.
pub(super) const MAX_BYTES: u64 = 5 * 1024 * 1024;

/// A file that was read and understood.
pub(super) struct Document {
    /// The path with symbolic links followed: the file's identity.
    pub canonical: PathBuf,
    pub root: Value,
    syntax: Syntax,
    text: Arc<str>,
}

impl Document {
    /// Reads `path`; `None` when there is no such file. The error comes with a 1-based line where one is known.
    pub fn read(path: &Path, syntax: Syntax) -> Result<Option<Self>, Fault> {
        let bytes = match read_bounded(path, MAX_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) if path.is_symlink() => return Err((DiscoveryError::Dangling, None)),
            Ok(None) => return Ok(None),
            Err(error) => return Err((error, None)),
        };
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self::understood(canonical, text(bytes)?.into(), syntax).map(Some)
    }

    fn understood(canonical: PathBuf, text: Arc<str>, syntax: Syntax) -> Result<Self, Fault> {
        Ok(Self { canonical, root: syntax.read(&text)?, syntax, text })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line on which each member of the object at `path` begins.
    pub fn lines(&self, path: &[String]) -> BTreeMap<String, usize> {
        self.syntax.lines(&self.text, path)
    }
}

/// UTF-8 without the mark that some editors put before it.
fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        (DiscoveryError::NotUtf8, Some(line_at(good)))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The files of one scan: each is read once, and complained about once. One that is spoiled counts as it is remembered.
#[derive(Default)]
pub(super) struct Shelf {
    read: BTreeMap<(PathBuf, Syntax), Option<Rc<Document>>>,
    pub problems: Vec<Problem>,
    pub memory: Memory,
}

impl Shelf {
    pub fn remembering(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// Every path that was tried.
    pub fn tried(&self) -> BTreeSet<PathBuf> {
        self.read.keys().map(|(path, _)| path.clone()).collect()
    }

    /// What the next scan is to remember of these files.
    pub fn remembered(&self) -> BTreeMap<(PathBuf, Syntax), Remembered> {
        let known = |document: &Rc<Document>| Remembered {
            canonical: document.canonical.clone(),
            text: Arc::clone(&document.text),
        };
        self.read.iter().filter_map(|(key, document)| Some((key.clone(), known(document.as_ref()?)))).collect()
    }

    /// The document at `path`; `None` when there is no such file or it cannot be used (then a problem says why).
    pub fn open(&mut self, path: &Path, syntax: Syntax) -> Option<Rc<Document>> {
        let key = (path.to_owned(), syntax);
        if let Some(known) = self.read.get(&key) {
            return known.clone();
        }
        match Document::read(path, syntax) {
            // Who writes a file empties it first: one that had something in it is not done yet.
            Ok(Some(document)) if document.text.trim().is_empty() && self.had_something(&key) => {
                self.spoiled(path, syntax, None, &DiscoveryError::Emptied, |_| true)
            }
            Ok(document) => {
                let document = document.map(Rc::new);
                self.read.insert(key, document.clone());
                document
            }
            Err((_, _)) if self.is_emptied(path, &key) => {
                self.spoiled(path, syntax, None, &DiscoveryError::Emptied, |_| true)
            }
            Err((error, line)) => self.spoiled(path, syntax, line, &error, |_| true),
        }
    }

    /// JSON that is empty cannot even be read.
    fn is_emptied(&self, path: &Path, key: &(PathBuf, Syntax)) -> bool {
        self.had_something(key) && path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0)
    }

    fn had_something(&self, key: &(PathBuf, Syntax)) -> bool {
        self.memory.files.get(key).is_some_and(|last| !last.text.trim().is_empty())
    }

    /// Complains about a file, and gives what it was when it was last good, if that is remembered and `fits`. From now on that is
    /// the file.
    pub fn spoiled(
        &mut self,
        path: &Path,
        syntax: Syntax,
        line: Option<usize>,
        error: &DiscoveryError,
        fits: impl Fn(&Document) -> bool,
    ) -> Option<Rc<Document>> {
        let key = (path.to_owned(), syntax);
        let last = self
            .memory
            .files
            .get(&key)
            .and_then(|last| Document::understood(last.canonical.clone(), Arc::clone(&last.text), syntax).ok());
        let last = last.filter(|last| fits(last)).map(Rc::new);
        let problem = Problem { kept: last.is_some(), ..Problem::new(Some(path), line, error) };
        // Two sources of one file see the same.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        if last.is_some() || !self.read.contains_key(&key) {
            self.read.insert(key, last.clone());
        }
        last
    }
}

/// The bytes of a regular file; `None` when nothing is there.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DiscoveryError> {
    match regular::read(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::NotAFile) => Err(DiscoveryError::NotAFile),
        Err(ReadError::TooLarge { most }) => Err(DiscoveryError::TooLarge { limit: most }),
        Err(ReadError::Io(error)) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(ReadError::Io(error)) => Err(DiscoveryError::Unreadable { kind: error.kind() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Option<Document>, Fault> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.json");
        std::fs::write(&path, content).unwrap();
        Document::read(&path, Syntax::Json)
    }

    fn refused(content: &[u8]) -> (DiscoveryError, Option<usize>) {
        read(content).err().expect("refused")
    }

    #[test]
    fn a_byte_order_mark_is_accepted() {
        assert!(read(b"\xef\xbb\xbf{\"a\": 1}").unwrap().is_some());
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(refused(b"{\n  \"a\": 1,\n  // note\n}"), (DiscoveryError::NotStrict, Some(3)));
        let (error, line) = refused(b"{\n  \"a\": 1,\n  note\n}");
        assert!(matches!(error, DiscoveryError::Syntax { .. }), "{error}");
        assert_eq!(line, Some(3));
        assert_eq!(refused(b"{\n\"a\": \"\xff\"}"), (DiscoveryError::NotUtf8, Some(2)));
        assert!(matches!(refused(b""), (DiscoveryError::Syntax { .. }, Some(1))));
    }

    #[test]
    fn nesting_is_limited_on_both_sides_of_the_parsers_own_limit() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(64).as_bytes()).is_ok());
        for levels in [65, 127, 200, 100_000] {
            assert_eq!(refused(nested(levels).as_bytes()).0, DiscoveryError::TooDeep { limit: 64 }, "{levels}");
        }
    }

    #[test]
    fn size_is_limited() {
        let mut at_limit = vec![b' '; MAX_BYTES as usize - 2];
        at_limit.extend(b"{}");
        assert!(read(&at_limit).is_ok());
        at_limit.push(b' ');
        assert!(matches!(refused(&at_limit).0, DiscoveryError::TooLarge { .. }));
    }

    #[test]
    fn only_regular_files() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Document::read(dir.path(), Syntax::Json).err().unwrap().0, DiscoveryError::NotAFile);
        assert!(Document::read(&dir.path().join("missing/file.json"), Syntax::Json).unwrap().is_none());
    }

    #[test]
    fn members_know_their_lines() {
        let document =
            read(b"{\"servers\":\n {\"b\": {},\n\n  \"a\": {\"x\":\n 1},\n \"\\u0063\": 2}}").unwrap().unwrap();
        let lines = document.lines(&["servers".into()]);
        assert_eq!(lines, BTreeMap::from([("b".into(), 2), ("a".into(), 4), ("c".into(), 6)]));
        assert!(document.lines(&["other".into()]).is_empty());
    }
}
