//! Programs on the user's PATH.

use std::ffi::OsStr;
use std::path::PathBuf;

/// Where `name` is on `path` (the PATH variable's value), if it is there and may be executed.
pub(super) fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(path?).map(|folder| folder.join(&file)).find(|program| executable(program))
}

#[cfg(unix)]
fn executable(program: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    program.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(program: &std::path::Path) -> bool {
    program.is_file()
}
