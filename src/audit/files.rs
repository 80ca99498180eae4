//! The trail's files: `trail.jsonl`, which is written; `trail.jsonl.1`, `.2`, ..., which were; `.state`, where it ends; `.lock`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::error::AuditError;

/// Where they are.
#[derive(Clone, Debug)]
pub(super) struct Paths(PathBuf);

impl Paths {
    pub fn at(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// The one that is written.
    pub fn active(&self) -> &Path {
        &self.0
    }

    /// One that was, by its number; numbers only grow, and no file is renamed twice.
    pub fn rotated(&self, number: u64) -> PathBuf {
        self.beside(&number.to_string())
    }

    pub fn state(&self) -> PathBuf {
        self.beside("state")
    }

    pub fn new_state(&self) -> PathBuf {
        self.beside("state.new")
    }

    fn lock(&self) -> PathBuf {
        self.beside("lock")
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.0.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(what);
        self.0.with_file_name(name)
    }

    /// The numbers of those that were written, in order.
    pub fn numbers(&self) -> Vec<u64> {
        let Some((folder, name)) = self.0.parent().zip(self.0.file_name().and_then(|name| name.to_str())) else {
            return Vec::new();
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let number = |entry: fs::DirEntry| {
            let file = entry.file_name().into_string().ok()?;
            let digits = file.strip_prefix(name)?.strip_prefix('.')?;
            // As we write it: `01` is not ours.
            digits.parse::<u64>().ok().filter(|number| number.to_string() == digits)
        };
        let mut numbers: Vec<u64> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Takes the trail for this process, for as long as the file is kept.
    pub fn take(&self) -> Result<File, AuditError> {
        let unwritable = |error: io::Error| AuditError::Unwritable { file: self.0.clone(), reason: error.to_string() };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = private(&mut options).open(self.lock()).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => Err(AuditError::Locked { file: self.0.clone() }),
            Err(fs::TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// Refuses what is no file of ours before anything is written to it.
    pub fn check(&self) -> Result<(), AuditError> {
        // A link may lead to a device, and rotation would rename the link.
        let Ok(found) = fs::symlink_metadata(&self.0) else { return Ok(()) };
        match not_a_file(found.file_type()) {
            None => self.close_to_others(&found),
            Some(found) => Err(AuditError::NotAFile { file: self.0.clone(), found }),
        }
    }

    /// The same before it is read, by whatever path.
    pub fn check_to_read(&self) -> Result<(), AuditError> {
        let Ok(found) = self.0.metadata() else { return Ok(()) };
        let wrong = |found| Err(AuditError::NotAFile { file: self.0.clone(), found });
        not_a_file(found.file_type()).map_or(Ok(()), wrong)
    }

    #[cfg(unix)]
    fn close_to_others(&self, found: &fs::Metadata) -> Result<(), AuditError> {
        use std::os::unix::fs::PermissionsExt;
        let mode = found.permissions().mode() & 0o777;
        if mode == 0o600 {
            return Ok(());
        }
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o600)).map_err(|error| AuditError::Open {
            file: self.0.clone(),
            mode,
            reason: error.to_string(),
        })
    }

    #[cfg(not(unix))]
    fn close_to_others(&self, _: &fs::Metadata) -> Result<(), AuditError> {
        Ok(())
    }

    /// Opens the file that is written, at its end; a new one is its owner's alone.
    pub fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        private(&mut options).open(&self.0)
    }
}

/// What stands in place of a regular file.
fn not_a_file(kind: fs::FileType) -> Option<&'static str> {
    match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("it is a folder"),
        () if kind.is_symlink() => Some("it is a symbolic link"),
        () => Some("it is a device, a pipe or a socket"),
    }
}

/// Files are made for their owner alone.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without waiting, should a pipe stand in a file's place.
        options.mode(0o600).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    }
    options
}

/// Whether the open file is the one that stands at the path.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().map(id).ok() == fs::symlink_metadata(path).map(id).ok()
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
