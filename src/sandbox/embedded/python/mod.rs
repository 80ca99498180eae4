//! The host's own Python as a root: found on the PATH, asked what it is made of, bound part by part.
//!
//! Only the interpreter and its packages are in such a root: no shell, no other program, nothing of anybody's home. In a
//! virtual environment its packages are visible beside the standard library; a project installed into it "editable" is not.

mod parts;
mod probe;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::elf;
use super::root::Root;
use super::tree::Below;
use crate::sandbox::SandboxError;

/// What the guest needs.
const OLDEST: (u32, u32) = (3, 9);

/// Names an interpreter has on the PATH, best first. Those with a version are for systems whose `python3` is older or absent.
pub(super) const NAMES: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9"];

/// Interpreters that are tried before giving up: more than anybody has, and a bound on the time it takes.
const MOST_TRIES: usize = 8;

/// A shim leads to an interpreter, and that to the file behind its links. One more than that.
const MOST_STEPS: usize = 3;

/// The root made of the host's Python: the one that was `named` (a path, or a name to look for on the PATH), or else the first
/// on `path` that can be used. Each is run once, for 60 ms; the caller keeps the answer as long as the files stay the same.
///
/// # Errors
/// [`SandboxError::PythonMissing`], or [`SandboxError::PythonUnusable`] for the first that was found and cannot be used: before
/// 3.9, not CPython, broken, for another processor, or in a folder that a sandbox has of its own (`/tmp`).
pub async fn host_python(path: Option<&OsStr>, named: Option<&Path>) -> Result<Root, SandboxError> {
    let candidates = match named {
        Some(named) if named.components().count() > 1 => vec![named.to_owned()],
        Some(name) => on_path(path, &[name.as_os_str()]),
        None => on_path(path, &NAMES.map(OsStr::new)),
    };
    let mut first = None;
    for candidate in candidates.into_iter().filter(|path| named.is_some() || may_run(path)).take(MOST_TRIES) {
        match root_of(&candidate, path).await {
            Ok(root) => return Ok(root),
            Err(reason) => first = first.or(Some(SandboxError::PythonUnusable { path: candidate, reason })),
        }
    }
    Err(first.unwrap_or_else(|| SandboxError::PythonMissing { looked: looked(path, named) }))
}

/// Every place at which one of the names could be, in the order of the names, then of the PATH. An entry that is not absolute
/// would mean a file of whatever folder the bridge was started in.
fn on_path(path: Option<&OsStr>, names: &[&OsStr]) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(path.unwrap_or_default()).filter(|f| f.is_absolute()).collect();
    let mut seen = Vec::new();
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places
        .filter(|place| may_run(place))
        .filter(|place| {
            let file = probe::behind(place);
            let new = !seen.contains(&file);
            seen.push(file);
            new
        })
        .collect()
}

fn may_run(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn looked(path: Option<&OsStr>, named: Option<&Path>) -> String {
    let path = path.unwrap_or_default().to_string_lossy();
    match named {
        Some(named) => format!("`{}` in `{path}`", named.display()),
        None => format!("python3 and python3.14 to python3.9 in `{path}`"),
    }
}

async fn root_of(candidate: &Path, path: Option<&OsStr>) -> Result<Root, String> {
    if !candidate.is_absolute() {
        return Err("is not an absolute path".into());
    }
    if !candidate.exists() {
        return Err("is not there".into());
    }
    if !may_run(candidate) {
        return Err("is not a file that can be run".into());
    }
    let mut python = probe::behind(candidate);
    let mut report = probe::ask(&python, path).await?;
    for _ in 1..MOST_STEPS {
        let behind = probe::behind(&report.executable);
        if behind == python {
            break;
        }
        python = behind;
        report = probe::ask(&python, path).await?;
    }
    usable(&report)?;
    let mut loaders = Vec::new();
    for program in [&python, &report.running] {
        let elf = elf::program(program).map_err(|reason| format!("{reason} ({})", program.display()))?;
        loaders.extend(elf.loader);
    }
    reachable(&report.running)?;
    parts::root(&report, &loaders, &Below(Path::new("/")))
}

/// Whether the guest can run on it.
fn usable(report: &probe::Report) -> Result<(), String> {
    let (major, minor, micro) = report.version;
    if report.implementation != "cpython" {
        return Err(format!("is {}, and CPython is needed", report.implementation));
    }
    if (major, minor) < OLDEST {
        let (oldest, least) = OLDEST;
        return Err(format!("is Python {major}.{minor}.{micro}, and {oldest}.{least} or later is needed"));
    }
    Ok(())
}

/// A sandbox that root starts runs as somebody else. Folders above do not matter, they are new inside; the file's own rights do.
fn reachable(python: &Path) -> Result<(), String> {
    let mode = python.metadata().map_err(|error| format!("cannot be looked at ({error})"))?.permissions().mode();
    if Uid::effective().is_root() && mode & 0o005 != 0o005 {
        return Err("may be run by its owner alone, and the sandbox of root's bridge runs as another user".into());
    }
    Ok(())
}
