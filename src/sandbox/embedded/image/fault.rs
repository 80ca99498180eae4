//! What can go wrong below the store, before the image's name is known.

use std::io;
use std::path::{Path, PathBuf};

use crate::sandbox::SandboxError;

/// A reason to give up; [`Fault::about`] adds the image.
#[derive(Debug)]
pub(super) enum Fault {
    /// The image is truncated, malicious, or of a kind that is not understood.
    Invalid(String),
    /// What was given as a name is none.
    Name { name: String, reason: String },
    /// The file that was named cannot be opened.
    File { path: PathBuf, reason: String },
    /// There is no part for this machine.
    Platform { wanted: String, found: String },
    /// The registry did not give it.
    Pull(String),
    /// The disk below the store refused.
    Store { path: PathBuf, reason: String },
    /// Nobody waits for the result any more.
    Cancelled,
}

impl Fault {
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }

    /// An error of the store's own files.
    pub fn store(path: &Path, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        let reason = match error.kind() {
            io::ErrorKind::StorageFull => "the disk is full".to_owned(),
            io::ErrorKind::QuotaExceeded => "the user's share of the disk is used up".to_owned(),
            io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
            _ => error.to_string(),
        };
        Self::Store { path: path.to_owned(), reason }
    }

    /// An error while reading an image: the kernel's are about the disk, a decoder's are about the image.
    pub fn reading(path: &Path, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Self::store(path, error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::invalid("it ends too early"),
            None => Self::Invalid(error.to_string()),
        }
    }

    pub fn about(self, image: &str) -> SandboxError {
        let image = image.to_owned();
        match self {
            Self::Invalid(reason) => SandboxError::ImageInvalid { image, reason },
            Self::Name { name, reason } => SandboxError::ImageName { name, reason },
            Self::File { path, reason } => SandboxError::ImageFile { file: path.display().to_string(), reason },
            Self::Platform { wanted, found } => SandboxError::ImagePlatform { image, wanted, found },
            Self::Pull(reason) => SandboxError::ImagePullFailed { image, reason },
            Self::Store { path, reason } => SandboxError::ImageStore { path: path.display().to_string(), reason },
            Self::Cancelled => SandboxError::ImagePullFailed { image, reason: "it was cancelled".into() },
        }
    }
}
