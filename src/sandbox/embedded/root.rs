//! What a sandbox's read-only root is made of: plain data, found by `python` (the host's own), `rootfs` (a folder) or `image`.

use std::path::PathBuf;

/// The parts of one root. Paths inside are absolute and free of `.` and `..`; nothing is copied, everything is bound read-only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// Folders and files of the host that are seen inside. Sorted by target, so that a folder comes before what lies in it.
    pub binds: Vec<Bind>,
    /// Symbolic links to make, e.g. `/lib` -> `usr/lib`.
    pub links: Vec<Link>,
    /// Where the interpreter is, inside.
    pub python: PathBuf,
    /// What the root's maker sets in the environment (an image's `Env`); the run's own settings win.
    pub env: Vec<(String, String)>,
}

/// One folder or file of the host, seen inside with everything mounted below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bind {
    /// Inside.
    pub target: PathBuf,
    /// On the host: absolute, no symbolic link on the way.
    pub source: PathBuf,
}

/// A symbolic link inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Inside.
    pub path: PathBuf,
    /// As it is written into the link: absolute (inside) or relative.
    pub target: PathBuf,
}

/// Folders that every sandbox makes for itself: nothing of a root is bound at or below them.
pub const OWN: [&str; 7] = ["/proc", "/sys", "/dev", "/tmp", "/run", "/workspace", "/var/tmp"];
