//! Config files that change while somebody follows them: real files, real news.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_bridge::discovery::{Discovery, Options, Os, Place, discover_again};
use mcp_bridge::reload::{Follows, follow};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

/// Enough for anything that works, on a busy machine; a test that fails waits no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A home whose config files are followed. What is applied comes out as the names of the servers.
struct World {
    _folder: TempDir,
    root: PathBuf,
    applied: mpsc::UnboundedReceiver<Vec<String>>,
    asked: Arc<Notify>,
    following: tokio::task::JoinHandle<()>,
}

struct Reader {
    root: PathBuf,
    applied: mpsc::UnboundedSender<Vec<String>>,
}

impl Follows for Reader {
    fn read(&self, before: &Discovery) -> Discovery {
        let (home, cwd) = (self.root.join("home"), self.root.join("work"));
        let place = Place { root: self.root.join("system"), ..Place::new(home, cwd, Os::Linux) };
        discover_again(&place, &Options::default(), before)
    }

    fn apply(&self, found: &Discovery) -> String {
        let names: Vec<String> = found.enabled().map(|it| it.config.name.clone()).collect();
        let text = names.join(", ");
        drop(self.applied.send(names));
        text
    }
}

impl World {
    /// Begins to follow what `files` made of the home.
    fn new(watching: bool, files: impl FnOnce(&World)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        for folder in ["home", "work", "system"] {
            fs::create_dir(root.join(folder)).expect("a folder");
        }
        let (sender, applied) = mpsc::unbounded_channel();
        let (asked, reader) = (Arc::new(Notify::new()), Reader { root: root.clone(), applied: sender });
        let nothing = tokio::spawn(std::future::ready(()));
        let mut world = Self { _folder: folder, root, applied, asked, following: nothing };
        files(&world);
        let current = reader.read(&Discovery::default());
        world.following = tokio::spawn(follow(Arc::new(reader), current, Arc::clone(&world.asked), watching));
        world
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join("home").join(file)
    }

    fn write(&self, file: &str, servers: &[&str]) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(path, config(servers)).expect("the file");
    }

    /// The servers of the next set that is applied.
    async fn next(&mut self) -> Vec<String> {
        tokio::time::timeout(PATIENCE, self.applied.recv()).await.expect("nothing was applied").expect("a set")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.following.abort();
    }
}

fn config(servers: &[&str]) -> String {
    let entries: serde_json::Map<_, _> =
        servers.iter().map(|name| ((*name).to_owned(), json!({"command": name}))).collect();
    json!({"mcpServers": entries}).to_string()
}

/// Lets the follower begin: it watches before it first waits.
async fn begun() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn files_that_appear_change_are_replaced_and_go() {
    let mut world = World::new(true, |world| world.write(".claude.json", &["a"]));
    begun().await;
    world.write(".claude.json", &["a", "b"]);
    assert_eq!(world.next().await, ["a", "b"]);
    // As editors and Claude Code itself write: beside it, then in its place.
    fs::write(world.path(".claude.json.tmp"), config(&["c"])).expect("a file");
    fs::rename(world.path(".claude.json.tmp"), world.path(".claude.json")).expect("in its place");
    assert_eq!(world.next().await, ["c"]);
    // It is another file now, and still followed.
    world.write(".claude.json", &["d"]);
    assert_eq!(world.next().await, ["d"]);
    fs::remove_file(world.path(".claude.json")).expect("removed");
    assert_eq!(world.next().await, [""; 0]);
    world.write(".claude.json", &["e"]);
    assert_eq!(world.next().await, ["e"]);
}

#[tokio::test]
async fn folders_that_were_not_there_are_followed_when_they_come_and_when_they_come_again() {
    let mut world = World::new(true, |_| {});
    begun().await;
    world.write(".config/mcp/servers/a.json", &["a"]);
    assert_eq!(world.next().await, ["a"]);
    world.write(".config/mcp/servers/b.json", &["b"]);
    assert_eq!(world.next().await, ["a", "b"]);
    fs::remove_dir_all(world.path(".config")).expect("removed");
    assert_eq!(world.next().await, [""; 0]);
    world.write(".config/mcp/servers/c.json", &["c"]);
    assert_eq!(world.next().await, ["c"]);
    world.write(".config/mcp/servers/d.json", &["d"]);
    assert_eq!(world.next().await, ["c", "d"]);
}

#[tokio::test]
async fn what_is_bad_or_half_written_counts_as_it_was_and_holds_up_nobody() {
    let mut world = World::new(true, |world| world.write("MCPs/a.json", &["a"]));
    begun().await;
    let whole = config(&["a", "b"]);
    fs::write(world.path("MCPs/a.json"), &whole[..20]).expect("a part");
    world.write("MCPs/other.json", &["other"]);
    assert_eq!(world.next().await, ["a", "other"]);
    fs::write(world.path("MCPs/a.json"), "").expect("nothing");
    world.write("MCPs/third.json", &["third"]);
    assert_eq!(world.next().await, ["a", "other", "third"]);
    fs::write(world.path("MCPs/a.json"), whole).expect("the whole");
    assert_eq!(world.next().await, ["a", "b", "other", "third"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_to_where_it_leads() {
    let mut world = World::new(true, |world| {
        world.write("dotfiles/claude.json", &["a"]);
        std::os::unix::fs::symlink(world.path("dotfiles/claude.json"), world.path(".claude.json")).expect("a link");
    });
    begun().await;
    world.write("dotfiles/claude.json", &["b"]);
    assert_eq!(world.next().await, ["b"]);
}

#[tokio::test]
async fn whoever_does_not_watch_reads_when_asked() {
    let mut world = World::new(false, |world| world.write(".claude.json", &["a"]));
    world.write(".claude.json", &["b"]);
    world.asked.notify_one();
    assert_eq!(world.next().await, ["b"]);
}
