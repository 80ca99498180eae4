//! The upload folder: `uploads/<caller>/<digest>` below the state folder, readable by nobody else. `None` is the machine's own user, whom
//! no name tells from others.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::digest::Digest;
use super::error::UploadError;
use super::name::FileName;
use crate::regular::{self, ReadError};

/// Files that one run may have. A program that needs more is better sent one archive, and each costs a line of its report.
pub const MOST_FILES: usize = 100;

/// What a file counts at least, so that empty ones have an end too: a block of a file system.
const BLOCK: u64 = 4096;

/// Callers whose files there is room for, were each to keep all that it may; with more of them the oldest files of anybody go. Where agents
/// give themselves names, a name more is no way to more of the disk.
const CALLERS: u64 = 16;

/// Callers with files, at most: each upload looks into the folders of all, and a thousand take milliseconds. What the longest unused of them
/// kept goes.
const MOST_FOLDERS: usize = 1000;

/// The folder of the machine's own user. No digest is called so.
const OWN: &str = "own";

/// A file as a call gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub name: FileName,
    pub content: Content,
}

/// What is in a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    Bytes(Bytes),
    /// What an earlier run was given: by its URI.
    Link(String),
}

impl fmt::Debug for Content {
    /// Never the bytes: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Link(uri) => write!(f, "{uri:?}"),
        }
    }
}

/// A file that a run will find.
#[derive(Clone)]
pub struct Upload {
    pub name: FileName,
    pub content: Bytes,
    /// What names it in a later run, where it is kept.
    pub uri: Option<String>,
}

/// How much is taken, and for how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files of one run.
    pub run: u64,
    /// Bytes that are kept for one caller; older ones make room. At least [`Limits::run`].
    pub kept: u64,
    /// Since its last use; `None`: nothing is kept.
    pub keep: Option<Duration>,
}

impl Limits {
    /// Whether a file of this size is taken.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, name: &FileName, bytes: u64) -> Result<(), UploadError> {
        if bytes <= self.file {
            return Ok(());
        }
        Err(UploadError::TooLarge { name: name.to_string(), bytes, most: self.file })
    }
}

/// Takes files in, and gives them again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    folder: Arc<PathBuf>,
    limits: Limits,
}

impl Store {
    /// Keeps files under `state_dir`; the folder is made when the first one comes.
    pub fn new(state_dir: &Path, limits: Limits) -> Self {
        Self { folder: Arc::new(state_dir.join("uploads")), limits }
    }

    /// The files of one run with their contents, which are kept for this caller from now on.
    ///
    /// # Errors
    /// There are too many, they are too large, two have one name, a link names nothing of this caller's, or the folder cannot be used.
    pub async fn take_in(&self, caller: Option<&str>, given: &[Given]) -> Result<Vec<Upload>, UploadError> {
        if given.is_empty() {
            return Ok(Vec::new());
        }
        if given.len() > MOST_FILES {
            return Err(UploadError::TooMany { count: given.len() });
        }
        if let Some(twice) = twice(given) {
            return Err(UploadError::Twice { name: twice.to_string() });
        }
        let (store, own, given) = (self.clone(), self.folder_of(caller), given.to_vec());
        let taken = tokio::task::spawn_blocking(move || store.take_in_now(&own, given));
        taken.await.unwrap_or_else(|panicked| Err(self.failed(&io::Error::other(panicked))))
    }

    /// One file that is kept for this caller.
    ///
    /// # Errors
    /// The URI names none, or the folder cannot be used.
    pub async fn read(&self, caller: Option<&str>, uri: &str) -> Result<Bytes, UploadError> {
        let (store, own, uri) = (self.clone(), self.folder_of(caller), uri.to_owned());
        let read = tokio::task::spawn_blocking(move || store.read_now(&own, &uri));
        read.await.unwrap_or_else(|panicked| Err(self.failed(&io::Error::other(panicked))))
    }

    fn take_in_now(&self, own: &Path, given: Vec<Given>) -> Result<Vec<Upload>, UploadError> {
        let (mut uploads, mut bytes) = (Vec::with_capacity(given.len()), 0);
        for Given { name, content } in given {
            let content = match content {
                Content::Bytes(content) => content,
                Content::Link(uri) => self.read_now(own, &uri)?,
            };
            self.limits.check(&name, content.len() as u64)?;
            bytes += content.len() as u64;
            if bytes > self.limits.run {
                return Err(UploadError::TooMuch { bytes, most: self.limits.run });
            }
            uploads.push(Upload { name, content, uri: None });
        }
        if let Some(keep) = self.limits.keep {
            self.tidy(own, keep, uploads.iter().map(|upload| counted(upload.content.len() as u64)).sum());
            for upload in &mut uploads {
                let digest = Digest::of(&upload.content);
                keep_one(own, &digest, &upload.content).map_err(|error| self.failed(&error))?;
                upload.uri = Some(digest.uri());
            }
        }
        Ok(uploads)
    }

    fn read_now(&self, own: &Path, uri: &str) -> Result<Bytes, UploadError> {
        let keeps = self.limits.keep.is_some();
        let unknown = || UploadError::Unknown { uri: uri.chars().take(200).collect(), keeps };
        let digest = Digest::of_uri(uri).filter(|_| keeps).ok_or_else(unknown)?;
        let path = own.join(digest.to_string());
        let content = match regular::read(&path, self.limits.file) {
            Ok(content) => content,
            Err(ReadError::Io(error)) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(&error)),
            // There is none, or no file of ours, or one that was kept under a higher limit.
            Err(_) => return Err(unknown()),
        };
        if Digest::of(&content) == digest {
            return Ok(content.into());
        }
        // A file that was cut or changed under us is not what was uploaded; the next upload shall not find it.
        let _ = fs::remove_file(path);
        Err(unknown())
    }

    /// Removes what is too old, of every caller, and of this one what must make room for so many bytes. What cannot be removed is
    /// tried again next time.
    fn tidy(&self, own: &Path, keep: Duration, room: u64) {
        let (now, mut all, mut others) = (SystemTime::now(), Vec::new(), Vec::new());
        for folder in entries(&self.folder) {
            let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
            for path in entries(&folder) {
                let Ok(found) = path.symlink_metadata() else { continue };
                let used = found.modified().unwrap_or(now);
                if now.duration_since(used).is_ok_and(|age| age > keep) {
                    let _ = fs::remove_file(&path);
                } else {
                    kept.push((used, counted(found.len()), path));
                }
            }
            if folder == own {
                make_room(&mut kept, self.limits.kept.saturating_sub(room));
                all = kept;
            } else {
                others.push((kept.iter().map(|(used, ..)| *used).max(), folder, kept));
            }
        }
        // The longest unused first; this caller's is one more.
        others.sort_by_key(|(used, ..)| *used);
        let too_many = (others.len() + 1).saturating_sub(MOST_FOLDERS);
        for (at, (_, folder, mut kept)) in others.into_iter().enumerate() {
            if at < too_many {
                make_room(&mut kept, 0);
            }
            if kept.is_empty() {
                // Only an empty one goes.
                let _ = fs::remove_dir(&folder);
            }
            all.extend(kept);
        }
        make_room(&mut all, self.limits.kept.saturating_mul(CALLERS).saturating_sub(room));
    }

    /// A caller's name is not a file's: it may have any characters, and need not be readable there.
    fn folder_of(&self, caller: Option<&str>) -> PathBuf {
        self.folder.join(caller.map_or_else(|| OWN.to_owned(), |name| Digest::of(name.as_bytes()).to_string()))
    }

    fn failed(&self, error: &io::Error) -> UploadError {
        let error = UploadError::Io { reason: error.to_string() };
        tracing::error!(code = error.code(), folder = %self.folder.display(), "{error}");
        error
    }
}

/// Removes the oldest of these files until the others have no more than so many bytes.
fn make_room(kept: &mut Vec<(SystemTime, u64, PathBuf)>, most: u64) {
    kept.sort();
    let mut taken: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
    kept.retain(|(_, bytes, path)| {
        let stays = taken <= most;
        if !stays {
            let _ = fs::remove_file(path);
            taken -= bytes;
        }
        stays
    });
}

fn counted(bytes: u64) -> u64 {
    bytes.max(BLOCK)
}

/// The first name that stands there twice.
fn twice(given: &[Given]) -> Option<&FileName> {
    let mut names: Vec<&FileName> = given.iter().map(|file| &file.name).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// Writes a file, unless it is there; then it is as good as new. A reader sees the whole of it or nothing.
fn keep_one(folder: &Path, digest: &Digest, content: &[u8]) -> io::Result<()> {
    let target = folder.join(digest.to_string());
    // A link, or a pipe, that somebody put there is replaced, not followed.
    if target.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == content.len() as u64)
        && let Ok(file) = File::options().append(true).open(&target)
    {
        return file.set_modified(SystemTime::now());
    }
    let mut file = loop {
        private_folder(folder)?;
        match tempfile::NamedTempFile::new_in(folder) {
            // Another caller's upload has just removed the folder, because it was empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => break file?,
        }
    };
    file.write_all(content)?;
    file.persist(&target).map(drop).map_err(|error| error.error)
}

/// A folder that only this user can enter, and the one above it.
fn private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
