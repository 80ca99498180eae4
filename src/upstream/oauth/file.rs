//! A login as a file: one a server, that only the user can read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::regular;

/// Bytes of a login: tokens have some thousands.
const MOST: u64 = 1 << 20;

/// The file of one server.
#[derive(Clone)]
pub(super) struct TokenFile(PathBuf);

impl TokenFile {
    /// `folder` holds the files of all servers.
    pub(super) fn new(folder: &Path, key: &str) -> Self {
        Self(folder.join(format!("{key}.json")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match regular::read(&self.0, MOST) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whole or not at all, and never readable by others, not even for a moment.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder()?)?;
        file.write_all(bytes)?;
        file.persist(&self.0).map_err(|error| error.error)?;
        Ok(())
    }

    /// Whether there was one.
    pub(super) fn remove(&self) -> io::Result<bool> {
        match fs::remove_file(&self.0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where it is, made if need be.
    pub(super) fn folder(&self) -> io::Result<&Path> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        #[cfg(unix)]
        fs::set_permissions(folder, <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700))?;
        Ok(folder)
    }
}
