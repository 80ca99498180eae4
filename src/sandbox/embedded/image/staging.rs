//! Where an image is made before it is found: one at a time, and nothing of it is left when it fails.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::fault::Fault;

/// The right to change the store, and an empty folder in it. Both end when it is dropped; the kernel takes the right back from a
/// process that was killed, and the next holder removes what that one left.
pub(super) struct Staging {
    // Dropped in this order: the folder goes before others may come.
    folder: TempDir,
    cancelled: AtomicBool,
    _lock: File,
}

impl Staging {
    /// Waits for whoever changes the store at the moment; `waiting` is told once if there is somebody.
    pub fn open(store: &Path, waiting: impl FnOnce()) -> Result<Self, Fault> {
        let staging = store.join("staging");
        make(store)?;
        make(&staging)?;
        let path = store.join("lock");
        let failed = |error: io::Error| Fault::store(&path, error);
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        clear(&staging)?;
        let folder = TempDir::new_in(&staging).map_err(|error| Fault::store(&staging, error))?;
        Ok(Self { folder, cancelled: AtomicBool::new(false), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a folder in it.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.path().join(name);
        make(&path)?;
        Ok(path)
    }

    pub fn cancelled(&self) -> &AtomicBool {
        &self.cancelled
    }

    /// Tells work in progress that nobody waits for it.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Makes a folder for our own eyes, if it is not there.
pub(super) fn make(path: &Path) -> Result<(), Fault> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| Fault::store(path, error))
}

fn clear(staging: &Path) -> Result<(), Fault> {
    let failed = |error| Fault::store(staging, error);
    for entry in fs::read_dir(staging).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        fs::remove_dir_all(&path).map_err(|error| Fault::store(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_a_killed_one_left_is_removed_and_one_at_a_time_works() {
        let store = tempfile::tempdir().expect("a folder");
        let left = store.path().join("staging/left/deep");
        fs::create_dir_all(&left).expect("made");
        let first = Staging::open(store.path(), || panic!("nobody is there")).expect("opened");
        assert!(!left.exists());
        let place = first.path().to_owned();
        let (told, waits) = mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Staging::open(store.path(), || told.send(()).expect("heard")));
            waits.recv().expect("the second waits");
            assert!(place.exists());
            drop(first);
            let second = second.join().expect("ended").expect("opened");
            assert!(!place.exists() && second.path().exists());
        });
    }

    #[test]
    fn a_store_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "").expect("written");
        let Err(Fault::Store { path: named, .. }) = Staging::open(&path.join("store"), || {}) else { panic!("opened") };
        assert!(named.starts_with(&path));
    }
}
