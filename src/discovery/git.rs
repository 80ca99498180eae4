//! Which repository a folder belongs to, read from the files git keeps. Runs no git: its configuration can run programs.

use std::path::{Path, PathBuf};

use crate::regular;

/// The root that speaks for `folder`: the main repository's, also from inside one of its worktrees.
pub(super) fn canonical_root(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let root = folder.ancestors().find(|dir| dir.join(".git").exists())?;
    Some(main_of_worktree(root).unwrap_or_else(|| root.to_owned()))
}

/// The nearest folder above `folder`, or itself, that is a repository or a worktree of one.
pub(super) fn nearest_root(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned)
}

/// The main repository of a worktree; `None` for anything else (a repository, a submodule).
///
/// A stranger can put any `.git` file into an archive, so a worktree counts only where the main repository confirms it:
/// its own folder of worktrees must hold this one, and must point back here.
fn main_of_worktree(root: &Path) -> Option<PathBuf> {
    let pointer = root.join(".git");
    let git_dir = pointed_to(&pointer, "gitdir:")?;
    let common = pointed_to(&git_dir.join("commondir"), "")?;
    let back = pointed_to(&git_dir.join("gitdir"), "")?;
    let confirmed = git_dir.parent()? == common.join("worktrees") && back == pointer.canonicalize().ok()?;
    let main = if common.ends_with(".git") { common.parent()? } else { &common };
    confirmed.then(|| main.to_owned())
}

/// The path written in a one-line file, from the folder of that file.
fn pointed_to(file: &Path, prefix: &str) -> Option<PathBuf> {
    /// Longer than the longest path (`PATH_MAX` is 4096), so a larger file is something else.
    const LONGEST: u64 = 8192;
    let text = String::from_utf8(regular::read(file, LONGEST).ok()?).ok()?;
    let path = text.strip_prefix(prefix)?.trim();
    file.parent()?.join(path).canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn scene() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("main/.git/worktrees/side")).unwrap();
        fs::create_dir_all(base.join("main/src/deep")).unwrap();
        fs::create_dir_all(base.join("side/src")).unwrap();
        write(base.join("side/.git"), &format!("gitdir: {}\n", base.join("main/.git/worktrees/side").display()));
        write(base.join("main/.git/worktrees/side/commondir"), "../..\n");
        write(base.join("main/.git/worktrees/side/gitdir"), &format!("{}\n", base.join("side/.git").display()));
        (dir, base)
    }

    #[test]
    fn a_folder_belongs_to_the_repository_above_it() {
        let (_dir, base) = scene();
        assert_eq!(canonical_root(&base.join("main/src/deep")), Some(base.join("main")));
        assert_eq!(canonical_root(&base.join("main")), Some(base.join("main")));
    }

    #[test]
    fn a_worktree_belongs_to_the_main_repository() {
        let (_dir, base) = scene();
        assert_eq!(canonical_root(&base.join("side/src")), Some(base.join("main")));
    }

    #[test]
    fn a_forged_worktree_speaks_for_itself_only() {
        let (_dir, base) = scene();
        // It names a real worktree of the main repository, which does not point back.
        write(base.join("evil/.git"), &format!("gitdir: {}\n", base.join("main/.git/worktrees/side").display()));
        assert_eq!(canonical_root(&base.join("evil")), Some(base.join("evil")));
        // It brings its own git folder, which the main repository does not hold.
        write(base.join("evil/own/commondir"), &base.join("main/.git").display().to_string());
        write(base.join("evil/own/gitdir"), "../.git");
        write(base.join("evil/.git"), "gitdir: own\n");
        assert_eq!(canonical_root(&base.join("evil")), Some(base.join("evil")));
    }

    #[test]
    fn a_submodule_is_its_own_root() {
        let (_dir, base) = scene();
        fs::create_dir_all(base.join("main/.git/modules/sub")).unwrap();
        write(base.join("main/sub/.git"), "gitdir: ../.git/modules/sub\n");
        assert_eq!(canonical_root(&base.join("main/sub")), Some(base.join("main/sub")));
    }
}
