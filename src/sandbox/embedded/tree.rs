//! Finding a file by hand, one name after the other, so that every symbolic link on the way is known.
//!
//! A root has to contain the links as well as what they lead to: `/lib64/ld-linux-x86-64.so.2` is often three links before it
//! is a file. The same steps, begun in a folder, follow links as a process would that has the folder for its root.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::root::{Link, OWN};

/// As the kernel: more links than this on one way are a loop.
const MOST_LINKS: usize = 40;

/// What stands at a path, the path's own last link not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    /// And where it points, as written.
    Link(PathBuf),
}

/// A tree of files: a folder of the host, or one made up in a test.
pub(super) trait Tree {
    /// What is at an absolute path without links before the last name; `None` for nothing, or for what cannot be looked at.
    fn look(&self, path: &Path) -> Option<Kind>;
}

/// The tree below a folder of the host, seen as a root of its own; `/` for the host itself.
pub(super) struct Below<'a>(pub &'a Path);

impl Below<'_> {
    /// Where a path of the tree is on the host.
    pub(super) fn on_host(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Tree for Below<'_> {
    fn look(&self, path: &Path) -> Option<Kind> {
        let place = self.on_host(path);
        let kind = fs::symlink_metadata(&place).ok()?.file_type();
        Some(match () {
            () if kind.is_symlink() => Kind::Link(fs::read_link(&place).ok()?),
            () if kind.is_dir() => Kind::Folder,
            () => Kind::File,
        })
    }
}

/// The end of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Absolute, without links, `.` and `..`.
    pub real: PathBuf,
    pub folder: bool,
    /// Every link on the way, in the order they were met.
    pub links: Vec<Link>,
}

/// Why a way has no end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Astray {
    #[error("`{0}` does not exist")]
    Missing(PathBuf),
    #[error("`{0}` is a loop of symbolic links")]
    Loop(PathBuf),
}

/// Follows an absolute path to its end. `..` above the top stays at the top, as the kernel has it.
pub(super) fn walk(tree: &impl Tree, path: &Path) -> Result<Found, Astray> {
    let mut ahead: VecDeque<OsString> = steps(path).collect();
    let mut found = Found { real: PathBuf::from("/"), folder: true, links: Vec::new() };
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            found.real.pop();
            continue;
        }
        let next = found.real.join(step);
        match tree.look(&next) {
            Some(Kind::Folder) => found.real = next,
            Some(Kind::File) if ahead.is_empty() => (found.real, found.folder) = (next, false),
            Some(Kind::Link(target)) => {
                if found.links.len() == MOST_LINKS {
                    return Err(Astray::Loop(path.to_owned()));
                }
                if target.is_absolute() {
                    found.real = PathBuf::from("/");
                }
                for step in steps(&target).rev() {
                    ahead.push_front(step);
                }
                found.links.push(Link { path: next, target });
            }
            Some(Kind::File) | None => return Err(Astray::Missing(next)),
        }
    }
    Ok(found)
}

/// The names of a path, `..` included.
fn steps(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// The folder of the sandbox's own that a path lies in.
pub(super) fn own(path: &Path) -> Option<&'static str> {
    OWN.into_iter().find(|own| path.starts_with(own))
}

/// Whether a folder of the sandbox's own lies below this path.
pub(super) fn holds_own(path: &Path) -> bool {
    OWN.into_iter().any(|own| Path::new(own) != path && Path::new(own).starts_with(path))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A made-up tree: lines of `/folder/`, `/file` or `/link -> target`; the folders above come by themselves.
    pub(in super::super) struct Made(BTreeMap<PathBuf, Kind>);

    impl Made {
        pub(in super::super) fn up(text: &str) -> Self {
            let mut all = BTreeMap::new();
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (path, kind) = match line.split_once(" -> ") {
                    Some((path, target)) => (path, Kind::Link(target.into())),
                    None if line.ends_with('/') => (line.trim_end_matches('/'), Kind::Folder),
                    None => (line, Kind::File),
                };
                for above in Path::new(path).ancestors().skip(1) {
                    all.entry(above.to_owned()).or_insert(Kind::Folder);
                }
                assert_eq!(all.insert(path.into(), kind), None, "{path} stands twice");
            }
            Self(all)
        }
    }

    impl Tree for Made {
        fn look(&self, path: &Path) -> Option<Kind> {
            self.0.get(path).cloned()
        }
    }

    fn at(tree: &Made, path: &str) -> Result<(String, Vec<String>), Astray> {
        let found = walk(tree, Path::new(path))?;
        let links = found.links.iter().map(|l| format!("{} -> {}", l.path.display(), l.target.display())).collect();
        Ok((found.real.display().to_string(), links))
    }

    #[test]
    fn links_are_noted_in_the_order_they_are_met() {
        let tree = Made::up(
            "/lib64 -> usr/lib64
             /lib -> usr/lib
             /usr/lib64/ld.so.2 -> /lib/gnu/./ld.so
             /usr/lib/gnu/ld.so",
        );
        let (real, links) = at(&tree, "/lib64/ld.so.2").expect("found");
        assert_eq!(real, "/usr/lib/gnu/ld.so");
        assert_eq!(links, ["/lib64 -> usr/lib64", "/usr/lib64/ld.so.2 -> /lib/gnu/./ld.so", "/lib -> usr/lib"]);
    }

    #[test]
    fn two_points_go_up_from_where_a_link_led_and_never_above_the_top() {
        let tree = Made::up(
            "/a -> /x/y
             /x/y/
             /x/file
             /up -> ../../../x/file",
        );
        assert_eq!(at(&tree, "/a/../file").expect("found").0, "/x/file");
        assert_eq!(at(&tree, "/up").expect("found").0, "/x/file");
        assert_eq!(at(&tree, "/../..").expect("found").0, "/");
    }

    #[test]
    fn ways_without_an_end_are_told_apart() {
        let tree = Made::up(
            "/loop -> loop
             /ping -> pong
             /pong -> /ping
             /dangling -> nowhere/x
             /file",
        );
        assert_eq!(at(&tree, "/loop"), Err(Astray::Loop("/loop".into())));
        assert_eq!(at(&tree, "/ping/x"), Err(Astray::Loop("/ping/x".into())));
        assert_eq!(at(&tree, "/dangling"), Err(Astray::Missing("/nowhere".into())));
        assert_eq!(at(&tree, "/file/below"), Err(Astray::Missing("/file".into())));
    }

    #[test]
    fn a_folder_as_a_root_is_not_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("root");
        fs::create_dir_all(inside.join("etc")).expect("made");
        fs::write(folder.path().join("secret"), "").expect("written");
        fs::write(inside.join("etc/passwd"), "").expect("written");
        for (name, target) in [("up", "../secret"), ("absolute", "/etc/passwd"), ("host", "/../root/secret")] {
            std::os::unix::fs::symlink(target, inside.join(name)).expect("linked");
        }
        let tree = Below(&inside);
        assert_eq!(walk(&tree, Path::new("/up")), Err(Astray::Missing("/secret".into())));
        assert_eq!(walk(&tree, Path::new("/host")), Err(Astray::Missing("/root".into())));
        assert_eq!(walk(&tree, Path::new("/absolute")).expect("found").real, Path::new("/etc/passwd"));
    }

    #[test]
    fn own_folders_are_known_by_whole_names() {
        assert_eq!(own(Path::new("/tmp/x")), Some("/tmp"));
        assert_eq!(own(Path::new("/var/tmp")), Some("/var/tmp"));
        assert_eq!(own(Path::new("/tmpfiles")), None);
        assert!(holds_own(Path::new("/var")) && holds_own(Path::new("/")));
        assert!(!holds_own(Path::new("/tmp")) && !holds_own(Path::new("/va")));
    }
}
