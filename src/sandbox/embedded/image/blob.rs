//! Where the bytes of a manifest, a config or a layer lie: a file, or a part of one.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::digest::{Digest, Sum};
use super::fault::Fault;
use crate::regular;

/// Bytes that can be read as often as needed.
#[derive(Clone, Debug)]
pub(super) enum Blob {
    File(PathBuf),
    Part { file: Arc<File>, path: PathBuf, offset: u64, size: u64 },
}

impl Blob {
    pub fn origin(&self) -> &Path {
        match self {
            Self::File(path) | Self::Part { path, .. } => path,
        }
    }

    pub fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::File(path) => Box::new(regular::open(path)?),
            Self::Part { file, offset, size, .. } => {
                Box::new(Part { file: file.clone(), offset: *offset, left: *size })
            }
        })
    }

    /// The whole of it, when it is short.
    ///
    /// # Errors
    /// It is longer than `most`, ends early, or cannot be read.
    pub fn bytes(&self, what: &str, most: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = self.open().and_then(|source| source.take(most + 1).read_to_end(&mut bytes));
        read.map_err(|error| Fault::reading(self.origin(), error))?;
        if bytes.len() as u64 > most {
            return Err(Fault::Invalid(format!("{what} is longer than {most} bytes")));
        }
        Ok(bytes)
    }

    /// Reads all of it and compares.
    pub fn verify(&self, what: &str, digest: &Digest, size: Option<u64>) -> Result<(), Fault> {
        let failed = |error| Fault::reading(self.origin(), error);
        let mut source = self.open().map_err(failed)?;
        let mut sum = Sum::default();
        // As much as one call to the kernel brings without waste.
        let mut buffer = vec![0; 128 << 10];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return sum.check(what, digest, size),
                Ok(read) => sum.add(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

struct Part {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.offset)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
