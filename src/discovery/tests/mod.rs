//! Discovery from the outside: a home folder is laid out, a scan is made, and the result is looked at.

mod again;
mod agents;
mod claude_code;
mod editors;
mod entries;
mod folders;
mod hostile;
mod import;
mod itself;
mod merging;
mod secrets;
mod trust;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::upstream::config::{RemoteKind, Transport};

/// A machine with one user, whose home is a temporary folder, and a project in `work/shop`.
struct World {
    _dir: tempfile::TempDir,
    place: Place,
    options: Options,
}

impl World {
    fn new(os: Os) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let home = base.join("home/dev");
        let cwd = home.join("work/shop");
        fs::create_dir_all(&cwd).unwrap();
        let mut place = Place::new(home, cwd, os);
        place.root = base;
        Self { _dir: dir, place, options: Options::default() }
    }

    fn linux() -> Self {
        Self::new(Os::Linux)
    }

    /// A home laid out as a real client leaves it; `/home/dev` in the files becomes this home.
    fn fixture(name: &str, os: Os) -> Self {
        let world = Self::new(os);
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(name);
        world.lay(&from, &world.place.home);
        world
    }

    /// A fixture, with its client alone looked at and some variables set.
    fn client(word: &str, fixture: &str, os: Os) -> Self {
        let mut world = Self::fixture(fixture, os);
        world.options.sources = Some(vec![word.to_owned()]);
        for (name, value) in [
            ("MY_KEY", "key"),
            ("TOK", "tok"),
            ("GIT_TOKEN", "git"),
            ("DOCS_TOKEN", "docs"),
            ("DATABASE", "shop-db"),
            ("SERVER_DIR", "/srv"),
            ("LITERAL", "expanded"),
        ] {
            world.set(name, value);
        }
        world
    }

    /// As [`World::client`], with project files approved.
    fn approving(word: &str, fixture: &str, os: Os) -> Self {
        let mut world = Self::client(word, fixture, os);
        world.options.trust_project = true;
        world
    }

    fn lay(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                self.lay(&from, &to);
            } else {
                let text = fs::read_to_string(from).unwrap();
                fs::write(to, text.replace("/home/dev", self.place.home.to_str().unwrap())).unwrap();
            }
        }
    }

    /// Writes a file below the home folder.
    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        self.write_at(self.place.home.join(path), text)
    }

    fn write_at(&self, path: PathBuf, text: impl AsRef<[u8]>) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn set(&mut self, name: &str, value: &str) {
        self.place.vars.insert(name.into(), value.into());
    }

    fn scan(&self) -> Discovery {
        discover(&self.place, &self.options)
    }

    /// The one server of a file in `~/MCPs` that holds this entry under the name `x`.
    fn entry(&self, entry: &str) -> Found {
        self.write("MCPs/one.json", format!(r#"{{"mcpServers": {{"x": {entry}}}}}"#));
        let mut found = self.scan().found;
        assert_eq!(found.len(), 1, "{entry}");
        found.remove(0)
    }
}

impl Discovery {
    #[track_caller]
    fn get(&self, name: &str) -> &Found {
        let mut named = self.found.iter().filter(|found| found.config.name == name);
        let first = named.next().unwrap_or_else(|| panic!("no `{name}` in {:?}", self.states()));
        assert!(named.next().is_none(), "several `{name}` in {:?}", self.states());
        first
    }

    /// Every entry as `source/scope:name state`, in order.
    fn states(&self) -> Vec<String> {
        let state = |found: &Found| match found.state {
            State::Enabled => "enabled",
            State::Disabled { .. } => "disabled",
            State::PendingApproval { .. } => "pending",
            State::Blocked { .. } => "blocked",
            State::NeedsInput { .. } => "needs input",
            State::Shadowed { .. } => "shadowed",
            State::Invalid { .. } => "invalid",
        };
        let line = |found: &Found| {
            let scope = format!("{:?}", found.origin.scope).to_lowercase();
            format!("{}/{scope}:{} {}", found.origin.source, found.config.name, state(found))
        };
        self.found.iter().map(line).collect()
    }

    fn names_in_use(&self) -> Vec<&str> {
        self.enabled().map(|found| found.config.name.as_str()).collect()
    }
}

impl Found {
    /// The command line of a local server.
    #[track_caller]
    fn line(&self) -> Vec<&str> {
        match &self.config.transport {
            Transport::Stdio { command, args, .. } => [command].into_iter().chain(args).map(String::as_str).collect(),
            Transport::Remote { .. } => panic!("`{}` is remote", self.config.name),
        }
    }

    /// Environment of a local server, or headers of a remote one.
    fn values(&self) -> Vec<(&str, &str)> {
        let (Transport::Stdio { env: values, .. } | Transport::Remote { headers: values, .. }) = &self.config.transport;
        values.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
    }

    #[track_caller]
    fn remote(&self) -> (&str, RemoteKind) {
        match &self.config.transport {
            Transport::Remote { url, kind, .. } => (url, *kind),
            Transport::Stdio { .. } => panic!("`{}` is local", self.config.name),
        }
    }

    fn reason(&self) -> &str {
        match &self.state {
            State::Enabled => "",
            State::Disabled { reason }
            | State::PendingApproval { reason }
            | State::Blocked { reason }
            | State::NeedsInput { reason }
            | State::Shadowed { reason }
            | State::Invalid { reason } => reason,
        }
    }

    #[track_caller]
    fn warns(&self, part: &str) {
        assert!(self.warnings.iter().any(|warning| warning.contains(part)), "{part:?} not in {:?}", self.warnings);
    }
}
