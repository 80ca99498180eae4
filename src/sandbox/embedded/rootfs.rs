//! A folder as a root: what `MCP_BRIDGE_ROOTFS` names, or an image unpacked.
//!
//! Every entry of the folder becomes a bind or a link. Where the sandbox has a folder of its own below an entry (`/var/tmp`
//! below `/var`), the entries of that entry are taken instead, so that the sandbox's own folder never lies in a bound one.
//! Python cannot be run to ask it anything: it may be of another system. What is looked at are names, links and the first
//! bytes of the interpreter.

#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::elf;
use super::python::NAMES;
use super::root::{Bind, Link, OWN, Root};
use super::tree::{Below, Found, Kind, Tree, holds_own, own, walk};
use crate::sandbox::SandboxError;

/// The PATH of images that name none, as container engines have it.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Binds and links of one root. A system has about 25; far more is not a system, and each costs a system call in every run.
const MOST_ENTRIES: usize = 256;

/// The root made of everything in `folder`. `path_inside` says where Python is looked for (empty: the usual places), and is not
/// added to `env`, which is handed on as it is.
///
/// # Errors
/// [`SandboxError::RootfsUnusable`]: no such folder, not readable, the host's own root, without Python, or with one that cannot
/// run here (another processor, a script, its loader missing).
pub fn rootfs(folder: &Path, path_inside: &str, env: Vec<(String, String)>) -> Result<Root, SandboxError> {
    let unusable = |reason| SandboxError::RootfsUnusable { folder: folder.to_owned(), reason };
    let real = folder.canonicalize().map_err(|error| unusable(format!("cannot be opened ({error})")))?;
    if !real.is_dir() {
        return Err(unusable("is not a folder".into()));
    }
    if real == Path::new("/") {
        return Err(unusable("is this system's own root, and all of it would be visible".into()));
    }
    let mut root = Root { env, ..Root::default() };
    entries(&Below(&real), Path::new("/"), &mut root).map_err(unusable)?;
    root.binds.sort();
    root.links.sort();
    let path = if path_inside.is_empty() { USUAL_PATH } else { path_inside };
    root.python = python(&Below(&real), path).map_err(unusable)?;
    Ok(root)
}

/// Takes in what is in one folder of the tree.
fn entries(tree: &Below, inside: &Path, root: &mut Root) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read at {} ({error})", inside.display());
    for entry in fs::read_dir(tree.on_host(inside)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, source) = (inside.join(entry.file_name()), entry.path());
        let kind = entry.file_type().map_err(unreadable)?;
        if OWN.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        if holds_own(&path) {
            // A link or file in this place gives way: the sandbox makes the folder anew.
            if kind.is_dir() {
                entries(tree, &path, root)?;
            }
        } else if kind.is_symlink() {
            root.links.push(Link { path, target: fs::read_link(&source).map_err(unreadable)? });
        } else if !(kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()) {
            root.binds.push(Bind { target: path, source });
        }
        if root.binds.len() + root.links.len() > MOST_ENTRIES {
            return Err(format!("has more than {MOST_ENTRIES} entries at its top, so it is not a root file system"));
        }
    }
    Ok(())
}

/// The first Python along the PATH that can run. What is wrong with the first that cannot is told when there is none.
fn python(tree: &Below, path: &str) -> Result<PathBuf, String> {
    let folders: Vec<&Path> = path.split(':').map(Path::new).filter(|folder| folder.is_absolute()).collect();
    let mut first = None;
    for name in NAMES {
        for place in folders.iter().map(|folder| folder.join(name)) {
            match runs(tree, &place) {
                Some(Ok(())) => return Ok(place),
                Some(Err(reason)) => first = first.or(Some(format!("has a Python that {reason}: {}", place.display()))),
                None => {}
            }
        }
    }
    Err(first.unwrap_or_else(|| format!("has no Python: no python3 (nor python3.14 to python3.9) in `{path}`")))
}

/// Whether the program at a path can run in this tree; `None` where nothing is.
fn runs(tree: &Below, place: &Path) -> Option<Result<(), String>> {
    let found = match walk(tree, place) {
        Ok(found) => found,
        // Its name is there: a link that leads nowhere is a broken Python, not a missing one.
        Err(astray) => {
            let above = walk(tree, place.parent()?).ok()?;
            let last = above.real.join(place.file_name()?);
            return matches!(tree.look(&last), Some(Kind::Link(_))).then(|| Err(format!("leads nowhere ({astray})")));
        }
    };
    Some(check(tree, &found))
}

fn check(tree: &Below, python: &Found) -> Result<(), String> {
    visible(python)?;
    let file = tree.on_host(&python.real);
    let mode = file.metadata().map_err(|error| format!("cannot be looked at ({error})"))?.permissions().mode();
    // Root's sandbox runs as somebody else; an ordinary user's has that user's rights to the host's files.
    let needed = if Uid::effective().is_root() { 0o005 } else { 0 };
    if python.folder || mode & 0o111 == 0 || mode & needed != needed {
        return Err("is not a file that the sandbox's user can run".into());
    }
    let program = elf::program(&file).map_err(|reason| reason.to_string())?;
    let Some(loader) = program.loader else { return Ok(()) };
    let needs = |what: String| format!("needs the loader {}, which {what}", loader.display());
    let found = walk(tree, &loader).map_err(|astray| needs(format!("is not there ({astray})")))?;
    visible(&found).map_err(needs)?;
    elf::program(&tree.on_host(&found.real)).map_err(|reason| needs(reason.to_string()))?;
    Ok(())
}

/// Whether the way to a file is the same once the sandbox has put its own folders over the tree's.
fn visible(found: &Found) -> Result<(), String> {
    let mut places = found.links.iter().map(|link| &link.path).chain([&found.real]);
    match places.find(|place| own(place).is_some() || holds_own(place)) {
        Some(hidden) => Err(format!("is reached by {}, and every sandbox has that of its own", hidden.display())),
        None => Ok(()),
    }
}
