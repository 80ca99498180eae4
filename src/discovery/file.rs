//! One config file, read within limits: a document, or the reason why not.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Problem;
use super::error::DiscoveryError;

/// Far above any real file (a long-used `~/.claude.json` has a few hundred kB), far below what would hurt.
const MAX_BYTES: u64 = 5 * 1024 * 1024;
/// Real files use about ten levels; serde_json would stop at 128, which is more than our recursion should rely on.
const MAX_DEPTH: usize = 64;

/// A file that was read and understood as JSON.
pub(super) struct Document {
    /// The path with symbolic links followed: the file's identity.
    pub canonical: PathBuf,
    pub root: Value,
    text: String,
}

impl Document {
    /// Reads `path`; `None` when there is no such file. The error comes with a 1-based line where one is known.
    fn read(path: &Path) -> Result<Option<Self>, (DiscoveryError, Option<usize>)> {
        let bytes = match read_bounded(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err((error, None)),
        };
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            (DiscoveryError::NotUtf8, Some(line_at(good)))
        })?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let root: Value = serde_json::from_str(&text).map_err(|error| match error.to_string() {
            message if message.starts_with("recursion limit") => {
                (DiscoveryError::TooDeep { limit: MAX_DEPTH }, Some(error.line()))
            }
            message => (DiscoveryError::Syntax { message }, Some(error.line().max(1))),
        })?;
        if depth(&root) > MAX_DEPTH {
            return Err((DiscoveryError::TooDeep { limit: MAX_DEPTH }, None));
        }
        Ok(Some(Self { canonical, root, text }))
    }

    /// The line on which each member of the object at `path` begins.
    pub fn lines(&self, path: &[String]) -> BTreeMap<String, usize> {
        self.offsets(path).unwrap_or_default()
    }

    fn offsets(&self, path: &[String]) -> Option<BTreeMap<String, usize>> {
        let mut text = self.text.as_str();
        for key in path {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            text = members.get(key)?.get();
        }
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        // Raw values are slices of our own text, so their addresses tell where they stand in it.
        let start = self.text.as_ptr() as usize;
        let mut places: Vec<(usize, String)> =
            members.into_iter().map(|(key, raw)| (raw.get().as_ptr() as usize - start, key)).collect();
        places.sort();
        let (mut line, mut counted) = (1, 0);
        let mut lines = BTreeMap::new();
        for (offset, key) in places {
            line += newlines(&self.text.as_bytes()[counted..offset]);
            counted = offset;
            lines.insert(key, line);
        }
        Some(lines)
    }
}

/// The files of one scan: each is read once, and complained about once.
#[derive(Default)]
pub(super) struct Shelf {
    read: BTreeMap<PathBuf, Option<Rc<Document>>>,
    pub problems: Vec<Problem>,
}

impl Shelf {
    /// The document at `path`; `None` when there is no such file or it cannot be used (then a problem says why).
    pub fn open(&mut self, path: &Path) -> Option<Rc<Document>> {
        if let Some(known) = self.read.get(path) {
            return known.clone();
        }
        let document = match Document::read(path) {
            Ok(document) => document.map(Rc::new),
            Err((error, line)) => {
                self.problems.push(Problem::new(Some(path), line, &error));
                None
            }
        };
        self.read.insert(path.to_owned(), document.clone());
        document
    }
}

/// The bytes of a regular file; `None` when nothing is there.
fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, DiscoveryError> {
    let unreadable = |error: io::Error| DiscoveryError::Unreadable { kind: error.kind() };
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // Windows refuses to open a directory at all, and a socket is refused everywhere.
        Err(_) if path.metadata().is_ok_and(|meta| !meta.is_file()) => return Err(DiscoveryError::NotAFile),
        Err(error) => return Err(unreadable(error)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(DiscoveryError::NotAFile);
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from one above it, even while it grows.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(DiscoveryError::TooLarge { limit: MAX_BYTES });
    }
    Ok(Some(bytes))
}

/// Opens without waiting: a named pipe in a project folder must not hold up the start.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
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

fn line_at(before: &[u8]) -> usize {
    newlines(before) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Option<Document>, (DiscoveryError, Option<usize>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.json");
        std::fs::write(&path, content).unwrap();
        Document::read(&path)
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
        let (error, line) = refused(b"{\n  \"a\": 1,\n  // note\n}");
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
        assert_eq!(Document::read(dir.path()).err().unwrap().0, DiscoveryError::NotAFile);
        assert!(Document::read(&dir.path().join("missing/file.json")).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe.json");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(Document::read(&pipe).err().unwrap().0, DiscoveryError::NotAFile);
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
