//! Files at paths that people name: regular ones alone, within a limit, and opened without waiting. A named pipe at such a path would
//! hold up whoever reads it for ever, and a device may have no end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it has more than {most} bytes")]
    TooLarge { most: u64 },
}

impl ReadError {
    /// Whether nothing is there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// The bytes of a regular file of at most so many.
///
/// # Errors
/// It is none, is larger, or cannot be read.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    within(open(path)?, most)
}

/// All that is to be read, of at most so many bytes.
///
/// # Errors
/// It is more, or cannot be read.
pub fn within(source: impl Read, most: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from one above it, even while it grows.
    source.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(ReadError::TooLarge { most }) } else { Ok(bytes) }
}

/// A regular file of any size, to be read.
///
/// # Errors
/// It is none, or cannot be opened.
pub fn open(path: &Path) -> Result<File, ReadError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::fcntl::OFlag::O_NONBLOCK.bits());
    match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(ReadError::NotAFile),
        // Windows refuses to open a directory at all, and a socket is refused everywhere.
        Err(_) if path.metadata().is_ok_and(|meta| !meta.is_file()) => Err(ReadError::NotAFile),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_within_its_limit_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(read(&file, 4).unwrap_err().is_missing());
        std::fs::write(&file, "four").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"four");
        assert!(matches!(read(&file, 3), Err(ReadError::TooLarge { most: 3 })));
        assert!(matches!(read(folder.path(), 4), Err(ReadError::NotAFile)));
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_and_a_device_are_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            assert!(matches!(read(path, 4), Err(ReadError::NotAFile)), "{}", path.display());
        }
    }
}
