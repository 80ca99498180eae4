//! A new text takes a file's place: whole or not at all, and never over what somebody else wrote meanwhile.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{InstallError, read, real};

/// Puts `after` where `before` is. The old file is kept as a copy beside it, a symbolic link stays a link, and permissions
/// stay as they are.
pub(super) fn write(file: &Path, before: Option<&str>, after: &str) -> Result<Option<PathBuf>, InstallError> {
    let failed = |error: io::Error| InstallError::Unwritable { file: file.to_owned(), kind: error.kind() };
    let path = real(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => InstallError::Dangling { file: file.to_owned() },
        _ => failed(error),
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let Some(before) = before else {
        fs::create_dir_all(folder).map_err(failed)?;
        let new = filled(folder, after, None).map_err(failed)?;
        return match new.persist_noclobber(&path) {
            Ok(_) => Ok(None),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(InstallError::Changed { file: file.to_owned() })
            }
            Err(error) => Err(failed(error.error)),
        };
    };
    let new = filled(folder, after, Some(&path)).map_err(failed)?;
    if read(&path)?.as_deref() != Some(before) {
        return Err(InstallError::Changed { file: file.to_owned() });
    }
    let copy = copy(&path, before).map_err(failed)?;
    if replace(new, &path, before).map_err(failed)? {
        Ok(Some(copy))
    } else {
        // The copy is of a state that was never ours to keep.
        let _ = fs::remove_file(copy);
        Err(InstallError::Changed { file: file.to_owned() })
    }
}

/// A file in the same folder, written to the disk, with the permissions of the one it is to replace.
fn filled(folder: &Path, text: &str, like: Option<&Path>) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Some(like) = like {
        keep_owner(file.as_file(), like)?;
        file.as_file().set_permissions(like.metadata()?.permissions())?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// A file that root changes stays its user's.
#[cfg(unix)]
fn keep_owner(file: &File, like: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (now, then) = (file.metadata()?, like.metadata()?);
    if now.uid() != then.uid() {
        fchown(file, Some(then.uid()), None)?;
    }
    if now.gid() != then.gid() {
        // A group that this user is not in cannot be given; the permissions then are those of another group.
        let _ = fchown(file, None, Some(then.gid()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _like: &Path) -> io::Result<()> {
    Ok(())
}

/// Keeps the old text beside the file under a name that is free.
fn copy(path: &Path, before: &str) -> io::Result<PathBuf> {
    /// Enough for anyone who installs again and again; beyond it somebody should look.
    const MOST: u32 = 1000;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1..=MOST {
        let copy = path.with_file_name(format!("{name}.before-mcp-bridge-{number}"));
        match File::create_new(&copy) {
            Ok(mut file) => {
                // Before anything stands in it: the text may hold secrets.
                keep_owner(&file, path)?;
                file.set_permissions(path.metadata()?.permissions())?;
                file.write_all(before.as_bytes())?;
                file.sync_all()?;
                return Ok(copy);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Puts `new` at `path`; `false` when something else than `before` stood there, which is left there.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn replace(new: NamedTempFile, path: &Path, before: &str) -> io::Result<bool> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

    // Exchanged, not overwritten: what stood there can be looked at, and put back.
    let exchange = || renameat2(AT_FDCWD, new.path(), AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE);
    match exchange() {
        Ok(()) => {}
        Err(Errno::EINVAL | Errno::ENOSYS) => return plainly(new, path),
        Err(error) => return Err(error.into()),
    }
    if fs::read(new.path())? == before.as_bytes() {
        return Ok(true);
    }
    exchange()?;
    Ok(false)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn replace(new: NamedTempFile, path: &Path, _before: &str) -> io::Result<bool> {
    plainly(new, path)
}

fn plainly(new: NamedTempFile, path: &Path) -> io::Result<bool> {
    new.persist(path).map(|_| true).map_err(|error| error.error)
}
