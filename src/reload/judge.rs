//! What to do with what was read anew.

use std::path::{Path, PathBuf};

use crate::discovery::{Discovery, Problem};

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// A file that was good is not: nothing is applied, for these reasons.
    Refuse(Vec<String>),
    /// `changed`: there is something to apply. `problems`: those that were not there before, and cost nothing that was.
    Accept { changed: bool, problems: Vec<Problem> },
}

/// Compares what is in force with what was read. `emptied`: whether a file is there and has nothing in it, as one has that is just
/// being written.
pub(super) fn judge(now: &Discovery, found: &Discovery, emptied: impl Fn(&Path) -> bool) -> Verdict {
    let known = |problem: &Problem| now.problems.iter().any(|known| same(known, problem));
    let new: Vec<&Problem> = found.problems.iter().filter(|problem| !known(problem)).collect();
    let was_good = |file: &PathBuf| now.looked.used.contains(file);
    // What concerns no file of servers concerns the bridge's own record of approvals.
    let spoiled = new.iter().filter(|problem| problem.file.as_ref().is_none_or(was_good)).map(ToString::to_string);
    // Clients skip some files that are empty, which is no problem at a start.
    let gone = now
        .looked
        .used
        .difference(&found.looked.used)
        .filter(|file| emptied(file) && !found.problems.iter().any(|problem| problem.file.as_ref() == Some(file)));
    let gone = gone.map(|file| format!("{}: the file is empty; write {{}} into it, or remove it", file.display()));
    let reasons: Vec<String> = spoiled.chain(gone).collect();
    if !reasons.is_empty() {
        return Verdict::Refuse(reasons);
    }
    let servers = |discovery: &Discovery| discovery.enabled().map(|it| it.config.clone()).collect::<Vec<_>>();
    Verdict::Accept { changed: servers(now) != servers(found), problems: new.into_iter().cloned().collect() }
}

/// Lines move when something else in the file changes.
fn same(one: &Problem, other: &Problem) -> bool {
    (&one.file, one.code, &one.reason) == (&other.file, other.code, &other.reason)
}

pub(super) fn is_emptied(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{Options, Os, Place, discover};

    struct World(tempfile::TempDir);

    impl World {
        fn new() -> Self {
            let world = Self(tempfile::tempdir().expect("a folder"));
            for folder in ["home/MCPs", "work"] {
                std::fs::create_dir_all(world.0.path().join(folder)).expect("a folder");
            }
            world
        }

        fn write(&self, file: &str, text: &str) {
            std::fs::write(self.0.path().join("home").join(file), text).expect("a file");
        }

        fn read(&self) -> Discovery {
            let root = self.0.path().canonicalize().expect("its path");
            let place =
                Place { root: root.join("root"), ..Place::new(root.join("home"), root.join("work"), Os::Linux) };
            discover(&place, &Options::default())
        }
    }

    const ONE: &str = r#"{"mcpServers": {"one": {"command": "one"}}}"#;

    fn judged(now: &Discovery, found: &Discovery) -> Verdict {
        judge(now, found, is_emptied)
    }

    #[test]
    fn a_change_is_applied_and_a_touch_is_none() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        let now = world.read();
        world.write("MCPs/a.json", &format!("{ONE}\n"));
        assert_eq!(judged(&now, &world.read()), Verdict::Accept { changed: false, problems: Vec::new() });
        world.write("MCPs/b.json", &ONE.replace("one", "two"));
        assert_eq!(judged(&now, &world.read()), Verdict::Accept { changed: true, problems: Vec::new() });
    }

    #[test]
    fn a_file_that_went_bad_changes_nothing() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        world.write(".claude.json", &ONE.replace("one", "two"));
        let now = world.read();
        for (file, text, reason) in [
            ("MCPs/a.json", &ONE[..20], "MCPs/a.json:1: "),
            ("MCPs/a.json", r#"{"mcpServers": {"one": {"command": 1}}}"#, "`command` is a number"),
            ("MCPs/a.json", "", "MCPs/a.json:1: "),
            (".claude.json", "", ".claude.json: the file is empty"),
        ] {
            world.write(file, text);
            // Nor does anything else change meanwhile.
            world.write("MCPs/c.json", &ONE.replace("one", "three"));
            match judged(&now, &world.read()) {
                Verdict::Refuse(reasons) => {
                    assert!(reasons.len() == 1 && reasons[0].contains(reason), "{file}: {reasons:?}");
                }
                other => panic!("{file} {text:?}: {other:?}"),
            }
            world.write("MCPs/a.json", ONE);
            world.write(".claude.json", &ONE.replace("one", "two"));
        }
    }

    #[test]
    fn a_file_that_never_was_good_holds_up_nobody() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        world.write("MCPs/bad.json", "{");
        let now = world.read();
        world.write("MCPs/bad.json", "{ {");
        world.write("MCPs/worse.json", "[");
        world.write("MCPs/b.json", &ONE.replace("one", "two"));
        match judged(&now, &world.read()) {
            Verdict::Accept { changed: true, problems } => assert_eq!(problems.len(), 2, "{problems:?}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mistake_that_was_there_before_may_move() {
        let world = World::new();
        world.write("MCPs/a.json", "{\"mcpServers\": {\"bad\": 5, \"one\": {\"command\": \"one\"}}}");
        let now = world.read();
        world.write("MCPs/a.json", "{\"mcpServers\": {\n\"two\": {\"command\": \"two\"},\n\"bad\": 5}}");
        assert_eq!(judged(&now, &world.read()), Verdict::Accept { changed: true, problems: Vec::new() });
    }

    #[test]
    fn a_file_that_is_removed_takes_its_servers_along() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        let now = world.read();
        std::fs::remove_file(world.0.path().join("home/MCPs/a.json")).expect("removed");
        assert_eq!(judged(&now, &world.read()), Verdict::Accept { changed: true, problems: Vec::new() });
    }
}
