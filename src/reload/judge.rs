//! What is new in what was read anew.

use crate::discovery::{Discovery, Problem};

/// What there is to do, and to say.
#[derive(Debug, PartialEq)]
pub(super) struct News<'f> {
    /// There is something to apply.
    pub changed: bool,
    /// Those that were not there before.
    pub problems: Vec<&'f Problem>,
}

/// Compares what is in force with what was read.
pub(super) fn judge<'f>(now: &Discovery, found: &'f Discovery) -> News<'f> {
    let known = |problem: &&Problem| now.problems.iter().any(|known| same(known, problem));
    let problems = found.problems.iter().filter(|problem| !known(problem)).collect();
    let servers = |discovery: &Discovery| discovery.enabled().map(|it| it.config.clone()).collect::<Vec<_>>();
    let names = |discovery: &Discovery| discovery.aliases().collect::<Vec<_>>();
    News { changed: servers(now) != servers(found) || names(now) != names(found), problems }
}

/// Lines move when something else in the file changes.
fn same(one: &Problem, other: &Problem) -> bool {
    (&one.file, one.code, &one.reason) == (&other.file, other.code, &other.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{Options, Os, Place, discover_again};

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

        fn read(&self, before: &Discovery) -> Discovery {
            let root = self.0.path().canonicalize().expect("its path");
            let place =
                Place { root: root.join("root"), ..Place::new(root.join("home"), root.join("work"), Os::Linux) };
            discover_again(&place, &Options::default(), before)
        }
    }

    const ONE: &str = r#"{"mcpServers": {"one": {"command": "one"}}}"#;

    /// Whether something is to be applied, and the new problems.
    fn judged(now: &Discovery, found: &Discovery) -> (bool, Vec<String>) {
        let news = judge(now, found);
        (news.changed, news.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_change_is_applied_and_a_touch_is_none() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        let now = world.read(&Discovery::default());
        world.write("MCPs/a.json", &format!("{ONE}\n"));
        assert_eq!(judged(&now, &world.read(&now)), (false, Vec::new()));
        world.write("MCPs/b.json", &ONE.replace("one", "two"));
        assert_eq!(judged(&now, &world.read(&now)), (true, Vec::new()));
    }

    #[test]
    fn another_name_of_a_server_is_a_change() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        let now = world.read(&Discovery::default());
        world.write("MCPs/b.json", &ONE.replace("\"one\": ", "\"also\": "));
        assert_eq!(judged(&now, &world.read(&now)), (true, Vec::new()));
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let world = World::new();
        world.write("MCPs/a.json", ONE);
        let first = world.read(&Discovery::default());
        world.write("MCPs/a.json", "{ {");
        world.write("MCPs/b.json", &ONE.replace("one", "two"));
        let second = world.read(&first);
        let (changed, problems) = judged(&first, &second);
        assert!(changed && problems.len() == 1 && problems[0].ends_with("counts as it last was)"), "{problems:?}");
        assert_eq!(judged(&second, &world.read(&second)), (false, Vec::new()));
        // It may move.
        world.write("MCPs/b.json", "{\"mcpServers\": {\"bad\": 5, \"two\": {\"command\": \"two\"}}}");
        let third = world.read(&second);
        assert_eq!(judged(&second, &third).1.len(), 1);
        world.write("MCPs/b.json", "{\"mcpServers\": {\n\"three\": {\"command\": \"three\"},\n\"bad\": 5}}");
        assert_eq!(judged(&third, &world.read(&third)), (true, Vec::new()));
    }
}
