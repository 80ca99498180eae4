//! From an interpreter's report to a root: the fewest files and folders with which it is the same Python inside as outside.
//!
//! One rule for every kind of installation. Bound are: the interpreter's file, the entries of `sys.path`, the folder of each
//! shared library that the standard library loads, and the loader. In a prefix of its own (pyenv, uv, conda) that comes to
//! `bin/pythonX.Y` and `lib`; below `/usr` to a few folders of the system's. Everything is seen inside where it is outside,
//! so that the prefix comes out the same without a word in the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::probe::Report;
use crate::sandbox::embedded::root::{Bind, Link, Root};
use crate::sandbox::embedded::tree::{Tree, holds_own, own, walk};

/// Where libraries are looked for first; links to below `/usr` on most systems, and the loader's cache names files by them.
const LIBRARY_LINKS: [&str; 2] = ["/lib", "/lib64"];

/// Bound where it exists: the loader's cache and configuration, and the time zones where `zoneinfo` looks for them.
const USEFUL: [&str; 5] = [
    "/etc/ld.so.cache",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
    "/etc/zoneinfo",
    "/usr/share/zoneinfo",
];

/// The links by which Debian chooses between libraries, for the system's own packages: numpy's algebra is one of them.
const CHOICES: &str = "/etc/alternatives";

/// Stores of package managers: readable by everyone by design, and a package is always spread over many folders of them.
const STORES: [&str; 2] = ["/nix/store", "/gnu/store"];

/// Folders of homes.
const HOMES: [&str; 3] = ["/home", "/var/home", "/export/home"];

/// Folders below the top that are never bound as a whole.
const WIDE: [&str; 6] = ["/usr/local", "/usr/share", "/var/lib", "/var/home", "/nix/store", "/gnu/store"];

/// The root in which `report` stays true. `loaders` are those of the interpreter's programs. Fails with what completes the
/// sentence "it …".
pub(super) fn root(report: &Report, loaders: &[PathBuf], tree: &impl Tree) -> Result<Root, String> {
    let mut parts = Parts { tree, real: BTreeSet::new(), links: BTreeMap::new() };
    parts.need(&report.executable)?;
    parts.need(&report.running)?;
    for loader in loaders {
        parts.need(loader)?;
    }
    for entry in report.path.iter().filter(|entry| belongs(entry, report)) {
        if walk(tree, entry).is_ok() {
            parts.need(entry)?;
        }
    }
    if report.prefix != report.base_prefix {
        parts.need(&report.prefix.join("pyvenv.cfg"))?;
    }
    for file in report.code.iter().filter(|file| **file != report.running) {
        // What is mapped need not be a file: `[vdso]`, `/memfd:x`, a library that was replaced meanwhile.
        if let (true, Ok(_), Some(folder)) = (file.is_absolute(), walk(tree, file), file.parent()) {
            parts.need(folder)?;
        }
    }
    for prefix in [&report.prefix, &report.base_prefix] {
        parts.want(&prefix.join("share/zoneinfo"));
    }
    USEFUL.iter().for_each(|path| parts.want(Path::new(path)));
    if report.base_prefix == Path::new("/usr") {
        parts.want(Path::new(CHOICES));
    }
    LIBRARY_LINKS.iter().for_each(|path| parts.links_to(Path::new(path)));

    let folder = report.executable.parent().unwrap_or(Path::new("/"));
    for name in ["python3", "python"] {
        parts.name(&folder.join(name), &report.executable);
    }
    let env = folder.to_str().map(|folder| ("PATH".to_owned(), folder.to_owned()));
    Ok(parts.into_root(report.executable.clone(), env.into_iter().collect()))
}

/// Whether an entry of `sys.path` is part of the installation. Others come from `.pth` files, mostly of projects installed
/// where they are being written: their folders hold what no program may see.
fn belongs(entry: &Path, report: &Report) -> bool {
    entry.is_absolute()
        && (entry.starts_with(&report.prefix)
            || entry.starts_with(&report.base_prefix)
            || STORES.iter().any(|store| entry.starts_with(store)))
}

/// Whether a folder holds more than one installation's files: somebody's home, the system's settings, all of a disk.
fn wide(folder: &Path) -> bool {
    let Some(above) = folder.parent() else { return true };
    let libraries =
        folder.file_name().map(OsString::from).is_some_and(|name| name.to_string_lossy().starts_with("lib"));
    above == Path::new("/") && !libraries
        || HOMES.iter().any(|homes| above == Path::new(homes))
        || WIDE.iter().any(|wide| folder == Path::new(wide))
}

struct Parts<'a, T: Tree> {
    tree: &'a T,
    /// What is bound: no link in any of these paths.
    real: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl<T: Tree> Parts<'_, T> {
    /// Takes a path in, with every link that leads to it.
    fn need(&mut self, path: &Path) -> Result<(), String> {
        let found = walk(self.tree, path).map_err(|astray| format!("needs {}, but {astray}", path.display()))?;
        let places = found.links.iter().map(|link| &link.path).chain([&found.real]);
        for place in places {
            let in_own = own(place).or(holds_own(place).then_some("/"));
            if let Some(own) = in_own {
                return Err(format!("needs {}, and every sandbox has a {own} of its own", place.display()));
            }
        }
        if found.folder && wide(&found.real) {
            return Err(format!("needs the whole of {}, which no program may see", found.real.display()));
        }
        self.real.insert(found.real);
        self.links.extend(found.links.into_iter().map(|link| (link.path, link.target)));
        Ok(())
    }

    /// The same, where it is there and can be had.
    fn want(&mut self, path: &Path) {
        let _ = self.need(path);
    }

    /// Only the links, where what they lead to is a part already or holds one.
    fn links_to(&mut self, path: &Path) {
        if let Ok(found) = walk(self.tree, path)
            && self.real.iter().any(|real| real.starts_with(&found.real))
        {
            self.links.extend(found.links.into_iter().map(|link| (link.path, link.target)));
        }
    }

    /// Another name of the interpreter, where that is what it is.
    fn name(&mut self, name: &Path, python: &Path) {
        let real = |path| walk(self.tree, path).ok().map(|found| found.real);
        if real(name).is_some() && real(name) == real(python) {
            self.want(name);
        }
    }

    /// Nothing twice: what lies in a bound folder is there already.
    fn into_root(self, python: PathBuf, env: Vec<(String, String)>) -> Root {
        let mut binds: Vec<Bind> = Vec::new();
        // Sorted name by name: a folder comes right before everything in it.
        for real in self.real {
            if !binds.last().is_some_and(|last| real.starts_with(&last.target)) {
                binds.push(Bind { target: real.clone(), source: real });
            }
        }
        let links = self.links.into_iter().map(|(path, target)| Link { path, target });
        let links = links.filter(|link| !binds.iter().any(|bind| link.path.starts_with(&bind.target))).collect();
        Root { binds, links, python, env }
    }
}
