use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn store(state: &Path, keep: Option<Duration>) -> Store {
    Store::new(state, Limits { file: 10_000, run: 20_000, kept: 20_480, keep })
}

fn given(name: &str, content: &[u8]) -> Given {
    Given { name: FileName::new(name).unwrap(), content: Content::Bytes(content.to_vec().into()) }
}

fn link(name: &str, uri: &str) -> Given {
    Given { name: FileName::new(name).unwrap(), content: Content::Link(uri.to_owned()) }
}

/// Every file below the state folder.
fn kept(state: &Path) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inside(state.join("uploads")).flat_map(inside).collect()
}

async fn uri(store: &Store, caller: &str, content: &[u8]) -> String {
    store.take_in(Some(caller), &[given("a", content)]).await.unwrap().remove(0).uri.unwrap()
}

async fn code(store: &Store, files: &[Given]) -> &'static str {
    store.take_in(Some("me"), files).await.err().expect("refused").code()
}

#[tokio::test]
async fn a_file_is_kept_once_and_found_again_by_its_own_caller_only() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), Some(HOUR));
    let first = uri(&store, "me", b"one").await;
    assert_eq!(first, uri(&store, "me", b"one").await);
    assert_eq!(kept(state.path()).len(), 1);
    let again = store.take_in(Some("me"), &[link("b", &first), given("c", b"two")]).await.unwrap();
    assert_eq!(
        again.iter().map(|it| (it.name.as_str(), &it.content[..])).collect::<Vec<_>>(),
        [("b", &b"one"[..]), ("c", b"two")]
    );
    assert_eq!(again[0].uri, Some(first.clone()));
    assert_eq!(store.read(Some("me"), &first).await.unwrap(), b"one"[..]);
    for other in [None, Some("you"), Some(""), Some("me/"), Some("../me"), Some("ME")] {
        let error = store.take_in(other, &[link("b", &first)]).await.err().expect("not theirs");
        assert_eq!(error.code(), "uploads.unknown");
    }
    // The same bytes of another caller are another file.
    assert_eq!(uri(&store, "you", b"one").await, first);
    assert_eq!(kept(state.path()).len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::tempdir().unwrap();
    uri(&store(state.path(), Some(HOUR)), "me", b"one").await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let file = kept(state.path()).remove(0);
    let folders = [file.parent().unwrap(), &state.path().join("uploads")].map(mode);
    assert_eq!((folders, mode(&file)), ([0o700, 0o700], 0o600));
}

#[tokio::test]
async fn each_bound_is_told_with_its_own_code() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), Some(HOUR));
    assert_eq!(code(&store, &[given("a", &[0; 10_001])]).await, "uploads.too_large");
    let large = [0; 7_000];
    let three = ["a", "b", "c"].map(|name| given(name, &large));
    assert_eq!(code(&store, &three).await, "uploads.too_much");
    assert_eq!(code(&store, &[given("caf\u{e9}", b""), given("cafe\u{301}", b"")]).await, "uploads.twice");
    let many: Vec<Given> = (0..=MOST_FILES).map(|n| given(&n.to_string(), b"")).collect();
    assert_eq!(code(&store, &many).await, "uploads.too_many");
    for uri in ["file:///etc/passwd", "mcp-bridge://uploads/../../trust.json", "mcp-bridge://capabilities"] {
        assert_eq!(code(&store, &[link("a", uri)]).await, "uploads.unknown");
    }
    assert!(kept(state.path()).is_empty());
    fs::write(state.path().join("uploads"), "in the way").unwrap();
    assert_eq!(code(&store, &[given("a", b"x")]).await, "uploads.io");
}

#[tokio::test]
async fn what_is_old_goes_and_what_was_used_last_stays() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), Some(HOUR));
    let ago = |uri: &str, age: Duration| {
        let name = uri.strip_prefix(SCHEME).unwrap().to_owned();
        let path = kept(state.path()).into_iter().find(|path| path.ends_with(&name)).unwrap();
        fs::File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    };
    let [old, other, third] =
        [uri(&store, "me", b"old").await, uri(&store, "you", b"other").await, uri(&store, "me", b"3").await];
    ago(&old, HOUR * 2);
    ago(&other, HOUR * 2);
    ago(&third, HOUR / 2);
    let fourth = uri(&store, "me", b"4").await;
    assert_eq!(kept(state.path()).len(), 2, "old ones of every caller are gone");
    ago(&fourth, HOUR / 3);
    // A use makes a file young again.
    store.take_in(Some("me"), &[link("a", &third)]).await.unwrap();
    for n in 0..4 {
        uri(&store, "me", &[b'x', n]).await;
    }
    // Five blocks may be kept.
    assert_eq!(kept(state.path()).len(), 5);
    assert!(store.read(Some("me"), &third).await.is_ok());
    assert_eq!(store.read(Some("me"), &fourth).await.unwrap_err().code(), "uploads.unknown");
}

/// Five blocks are one caller's, sixteen callers' worth is kept.
#[tokio::test]
async fn more_callers_are_no_way_to_more_of_the_disk() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), Some(HOUR));
    for caller in 0..20 {
        for n in 0..5 {
            uri(&store, &caller.to_string(), &[n]).await;
        }
    }
    assert_eq!(kept(state.path()).len(), 80);
    assert!(store.read(Some("19"), &Digest::of(&[0]).uri()).await.is_ok(), "what was kept last stays");
}

/// Names are no way to more folders than can be looked into.
#[tokio::test]
async fn the_folder_of_the_caller_that_was_away_longest_goes_where_there_are_too_many() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path(), Limits { file: 10_000, run: 20_000, kept: 1 << 30, keep: Some(HOUR) });
    let first = uri(&store, "first", b"1").await;
    let second = uri(&store, "second", b"2").await;
    let old = kept(state.path()).into_iter().find(|path| path.ends_with(first.strip_prefix(SCHEME).unwrap())).unwrap();
    let ago = SystemTime::now() - HOUR / 2;
    fs::File::options().append(true).open(&old).unwrap().set_modified(ago).unwrap();
    // As others would have left them, no longer ago than now.
    for n in 2..1000 {
        let folder = state.path().join(format!("uploads/{n}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("f"), b"").unwrap();
    }
    let own = store.take_in(None, &[given("a", b"own")]).await.unwrap().remove(0).uri.unwrap();
    assert!(!old.exists() && !old.parent().unwrap().exists(), "the longest unused");
    assert_eq!(fs::read_dir(state.path().join("uploads")).unwrap().count(), 1000);
    assert_eq!(store.read(None, &own).await.unwrap(), b"own"[..]);
    assert_eq!(store.read(Some("second"), &second).await.unwrap(), b"2"[..]);
}

#[tokio::test]
async fn a_kept_file_that_was_changed_is_no_longer_that_file() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), Some(HOUR));
    let uri = uri(&store, "me", b"one").await;
    fs::write(kept(state.path()).remove(0), b"two").unwrap();
    assert_eq!(store.read(Some("me"), &uri).await.unwrap_err().code(), "uploads.unknown");
    store.take_in(Some("me"), &[given("a", b"one")]).await.unwrap();
    assert_eq!(store.read(Some("me"), &uri).await.unwrap(), b"one"[..]);
}

/// Nobody but this user can put them there; they are no way to another file all the same.
#[cfg(unix)]
#[tokio::test]
async fn links_and_pipes_in_the_folder_are_not_followed() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), Some(HOUR));
    let secret = state.path().join("secret");
    for (content, age) in [(vec![b'x'; 20_000], HOUR * 2), (b"two".to_vec(), HOUR / 2)] {
        let uri = uri(&store, "me", b"one").await;
        let path = kept(state.path()).remove(0);
        fs::write(&secret, &content).unwrap();
        let before = SystemTime::now() - age;
        fs::File::options().append(true).open(&secret).unwrap().set_modified(before).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        // Longer than a file may be, or as long as the one that was there.
        assert_eq!(store.read(Some("me"), &uri).await.map_err(|error| error.code()), Err("uploads.unknown"));
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        store.take_in(Some("me"), &[given("a", b"one")]).await.unwrap();
        assert_eq!(store.read(Some("me"), &uri).await.unwrap(), b"one"[..]);
        assert_eq!((fs::read(&secret).unwrap(), secret.metadata().unwrap().modified().unwrap()), (content, before));
    }
    let (uri, path) = (Digest::of(b"one").uri(), kept(state.path()).remove(0));
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(store.read(Some("me"), &uri).await.map_err(|error| error.code()), Err("uploads.unknown"));
    store.take_in(Some("me"), &[given("a", b"one")]).await.unwrap();
    assert_eq!(store.read(Some("me"), &uri).await.unwrap(), b"one"[..]);
}

#[tokio::test]
async fn with_keeping_off_files_come_and_leave_nothing() {
    let state = tempfile::tempdir().unwrap();
    let store = store(state.path(), None);
    let taken = store.take_in(Some("me"), &[given("a", b"one")]).await.unwrap();
    assert_eq!((&taken[0].content[..], &taken[0].uri), (&b"one"[..], &None));
    assert!(!state.path().join("uploads").exists());
    let error = store.take_in(Some("me"), &[link("a", &Digest::of(b"one").uri())]).await.err().expect("not kept");
    assert!(error.hint().contains("MCP_BRIDGE_UPLOAD_KEEP"), "{}", error.hint());
}
