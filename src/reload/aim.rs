//! Which folders are watched, and which of their news matter. Pure, but for looking which folders exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::discovery::Looked;

/// What is watched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Aim {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Aim {
    /// At every place where the scan looked, and where links lead from there.
    pub(super) fn at(looked: &Looked) -> Self {
        let all = |paths: &BTreeSet<PathBuf>| paths.iter().flat_map(|path| names(path)).collect();
        Self { files: all(&looked.files), folders: all(&looked.folders) }
    }

    /// Whether something that happened to this path may change what a scan finds.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        let in_folder = path.parent().is_some_and(|parent| self.folders.contains(parent));
        // A folder on the way to a place: made, renamed or removed.
        in_folder || self.files.iter().chain(&self.folders).any(|place| place.starts_with(path))
    }

    /// The folders to watch: those that hold a place, or where none is yet, the nearest above it. A file itself is not watched,
    /// because a file that is replaced is another one.
    pub(super) fn folders(&self, is_folder: impl Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
        let above = |place: &PathBuf| place.ancestors().skip(1).find(|path| is_folder(path)).map(Path::to_owned);
        let themselves = self.folders.iter().filter(|folder| is_folder(folder)).cloned();
        self.files.iter().chain(&self.folders).filter_map(above).chain(themselves).collect()
    }
}

/// A path as it was given, and as the file system calls it: by its folder, and with every link followed.
fn names(path: &Path) -> BTreeSet<PathBuf> {
    let by_folder =
        path.parent().zip(path.file_name()).and_then(|(folder, name)| Some(folder.canonicalize().ok()?.join(name)));
    [Some(path.to_owned()), by_folder, path.canonicalize().ok()].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aim() -> Aim {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
        Aim {
            files: paths(&["/home/me/.claude.json", "/home/me/.claude/settings.json"]),
            folders: paths(&["/home/me/MCPs"]),
        }
    }

    #[test]
    fn what_happens_at_a_place_or_above_it_matters() {
        for (path, matters) in [
            ("/home/me/.claude.json", true),
            ("/home/me/.claude", true),
            ("/home/me", true),
            ("/home/me/MCPs", true),
            ("/home/me/MCPs/new.json", true),
            ("/home/me/.claude.json.tmp", false),
            ("/home/me/.bash_history", false),
            ("/home/me/.claude/projects/x.jsonl", false),
        ] {
            assert_eq!(aim().concerns(Path::new(path)), matters, "{path}");
        }
    }

    #[test]
    fn the_nearest_folder_that_exists_is_watched() {
        let watched = |existing: &[&str]| {
            let found = aim().folders(|path| existing.iter().any(|folder| Path::new(folder) == path));
            found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(watched(&["/", "/home", "/home/me"]), ["/home/me"]);
        let all = ["/home/me", "/home/me/.claude", "/home/me/MCPs"];
        assert_eq!(watched(&all), all);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_watched_where_they_lead() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        std::fs::create_dir(root.join("dotfiles")).expect("a folder");
        std::fs::write(root.join("dotfiles/claude.json"), "{}").expect("a file");
        std::os::unix::fs::symlink(root.join("dotfiles/claude.json"), root.join(".claude.json")).expect("a link");
        let aim = Aim::at(&Looked { files: [root.join(".claude.json")].into(), ..Looked::default() });
        assert!(aim.concerns(&root.join("dotfiles/claude.json")) && aim.concerns(&root.join(".claude.json")));
        assert_eq!(aim.folders(Path::is_dir), [root.clone(), root.join("dotfiles")].into());
    }
}
