use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

fn options(file: &Path) -> Options {
    Options { file: file.to_owned(), size: 2000, keep: 3, arguments: true }
}

fn record(name: &str) -> Record {
    Record {
        kind: Kind::Call,
        server: "s".into(),
        name: name.into(),
        decision: "allow",
        rule: "no rules".into(),
        outcome: "ok".into(),
        duration: Duration::from_millis(1),
        request_bytes: 1,
        result_bytes: 2,
        calls: None,
        passed: None,
    }
}

/// Writes calls of these tools, and waits until they stand in the file.
async fn write(trail: &Trail, tools: &[&str]) {
    let account = Account::new("me", "run", Some(trail.clone()));
    for tool in tools {
        drop(account.write(record(tool)));
    }
    trail.flush().await;
}

/// A trail that is closed: its writer has let go of it.
async fn written(folder: &TempDir, tools: &[&str]) -> PathBuf {
    let file = folder.path().join("trail.jsonl");
    let trail = open(&file).await;
    write(&trail, tools).await;
    file
}

/// The writer before lets go of the trail when it has seen that nobody is left.
async fn open(file: &Path) -> Trail {
    loop {
        match Trail::open(options(file)) {
            Err(AuditError::Locked { .. }) => tokio::task::yield_now().await,
            trail => return trail.expect("a trail"),
        }
    }
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the trail");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn kinds(file: &Path) -> Vec<String> {
    lines(file).iter().map(|line| line["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

fn faults(file: &Path) -> Vec<String> {
    verify(file).expect("a trail").faults.iter().map(ToString::to_string).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_trail_is_continued_by_the_next_bridge_and_is_whole() {
    let folder = folder();
    let file = written(&folder, &["a", "b"]).await;
    written(&folder, &["c"]).await;
    assert_eq!(kinds(&file), ["head", "call", "call", "call"]);
    let line = &lines(&file)[1];
    assert_eq!(
        (&line["caller"], &line["run"], &line["tool"], &line["seq"]),
        (&json!("me"), &json!("run"), &json!("a"), &json!(2))
    );
    let verified = verify(&file).expect("a trail");
    assert_eq!((verified.files, verified.lines, verified.faults), (1, 4, Vec::new()));
    assert_eq!(verified.end.expect("an end").1, lines(&file)[3]["hash"]);
}

#[tokio::test]
async fn full_files_are_turned_over_and_the_oldest_removed_by_rule() {
    let folder = folder();
    let file = folder.path().join("trail.jsonl");
    let trail = open(&file).await;
    for _ in 0..60 {
        write(&trail, &["a"]).await;
    }
    let verified = verify(&file).expect("a trail");
    assert_eq!((verified.files, verified.faults), (4, Vec::new()));
    let removed = lines(&file).iter().any(|line| line["kind"] == "removed");
    assert!(removed || !folder.path().join("trail.jsonl.1").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_trail_is_its_owners_alone_and_only_a_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let file = folder.path().join("trail.jsonl");
    fs::write(&file, "").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
    let trail = open(&file).await;
    write(&trail, &["a"]).await;
    for name in ["trail.jsonl", "trail.jsonl.state", "trail.jsonl.lock"] {
        let mode = fs::metadata(folder.path().join(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!((kinds(&file), faults(&file)), (vec!["head".to_owned(), "call".to_owned()], Vec::new()));
    assert_eq!(Trail::open(options(&file)).expect_err("it is taken").code(), "audit.locked");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
    for wrong in [Path::new("/dev/null"), folder.path(), &link] {
        assert_eq!(Trail::open(options(wrong)).expect_err("no file").code(), "audit.not_a_file", "{}", wrong.display());
    }
    let nowhere = Trail::open(options(Path::new("/nonexistent/trail"))).expect_err("no folder");
    assert_eq!(nowhere.code(), "audit.unwritable");
}

#[tokio::test]
async fn what_somebody_else_writes_is_noted_and_never_erased() {
    let folder = folder();
    let file = folder.path().join("trail.jsonl");
    let trail = open(&file).await;
    write(&trail, &["a"]).await;
    let mut text = fs::read_to_string(&file).expect("text");
    text.push_str("{\"forged\": true}");
    fs::write(&file, &text).expect("written");
    write(&trail, &["b"]).await;
    assert!(fs::read_to_string(&file).expect("text").starts_with(&text));
    let told = faults(&file);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains(":3: the bridge did not write this")
            && told[1].contains(":4: the bridge found here: 16 bytes"),
        "{told:?}"
    );
    assert_eq!(trail.health().breaks, 1);
    // A file that is gone, and one that was cut.
    fs::remove_file(&file).expect("removed");
    write(&trail, &["c"]).await;
    assert_eq!(kinds(&file), ["head", "break", "call"]);
    fs::OpenOptions::new().write(true).open(&file).and_then(|it| it.set_len(10)).expect("cut");
    write(&trail, &["d"]).await;
    assert_eq!(trail.health().breaks, 3);
    assert!(faults(&file).iter().any(|fault| fault.contains("bytes fewer")), "{:?}", faults(&file));
}

#[tokio::test]
async fn the_next_bridge_notes_what_was_changed_while_none_ran() {
    let folder = folder();
    let file = written(&folder, &["a", "b"]).await;
    let text = fs::read_to_string(&file).expect("text");
    let without_last = text.trim_end().rsplit_once('\n').expect("lines").0.to_owned() + "\n";
    fs::write(&file, &without_last).expect("cut");
    assert_eq!(faults(&file), [format!("{}: the last line that the bridge wrote is not there", file.display())]);
    written(&folder, &["c"]).await;
    assert_eq!(kinds(&file), ["head", "call", "break", "call"]);
    assert!(!faults(&file).is_empty());
}

/// Killed when lines were written and the state was not, or between two files.
#[tokio::test]
async fn a_bridge_that_was_killed_leaves_a_whole_trail() {
    let folder = folder();
    let file = written(&folder, &["a"]).await;
    let state = folder.path().join("trail.jsonl.state");
    let before = fs::read(&state).expect("the state");
    written(&folder, &["b"]).await;
    fs::write(&state, &before).expect("the state before");
    assert_eq!(faults(&file), Vec::<String>::new());
    written(&folder, &["c"]).await;
    assert_eq!(faults(&file), Vec::<String>::new());
    fs::rename(&file, folder.path().join("trail.jsonl.1")).expect("renamed");
    assert_eq!(faults(&file), Vec::<String>::new());
    written(&folder, &["d"]).await;
    assert_eq!((kinds(&file), faults(&file)), (vec!["head".to_owned(), "call".to_owned()], Vec::new()));
}

/// What a kill in the middle of a write leaves is told as that, and what follows is whole.
#[tokio::test]
async fn a_line_that_was_cut_is_told_apart_from_a_forged_one() {
    let folder = folder();
    let file = written(&folder, &["a"]).await;
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, format!("{text}{{\"seq\":3,\"time\":\"20")).expect("written");
    let told = faults(&file);
    assert!(told.len() == 1 && told[0].contains(":3: this line has no end"), "{told:?}");
    written(&folder, &["b"]).await;
    assert_eq!(lines_after(&file, 3)[0]["kind"], "break");
    let found = lines_after(&file, 3)[0]["found"].as_str().expect("a text").to_owned();
    assert!(found.starts_with("a line without an end, of 19 bytes"), "{found}");
    let told = faults(&file);
    assert!(told.len() == 2 && told[1].contains(&found), "{told:?}");
}

/// The lines after so many, which need not be lines of ours.
fn lines_after(file: &Path, count: usize) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the trail");
    text.lines().skip(count).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn who_waits_for_a_line_finds_it_in_the_file() {
    let folder = folder();
    let file = folder.path().join("trail.jsonl");
    let trail = Trail::open(Options { size: 1 << 20, ..options(&file) }).expect("a trail");
    let account = Account::new("me", "run", Some(trail));
    for count in 1..=100 {
        account.write(record("a")).wait().await;
        assert_eq!(fs::read_to_string(&file).expect("the trail").lines().count(), 1 + count);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_is_neither_waited_for_nor_read_without_end() {
    let folder = folder();
    let file = written(&folder, &["a"]).await;
    assert_eq!(verify(Path::new("/dev/zero")).expect_err("no file").code(), "audit.not_a_file");
    assert_eq!(verify(folder.path()).expect_err("no file").code(), "audit.not_a_file");
    let pipe = |name: &str| {
        let path = folder.path().join(name);
        drop(fs::remove_file(&path));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    };
    pipe("trail.jsonl.1");
    assert!(faults(&file).iter().any(|fault| fault.contains("it is not a regular file")), "{:?}", faults(&file));
    pipe("trail.jsonl.state");
    assert!(
        faults(&file).iter().any(|fault| fault.contains("trail.jsonl.state: it says where")),
        "{:?}",
        faults(&file)
    );
}

#[test]
fn the_hash_does_not_depend_on_the_order_of_names() {
    let (one, other) =
        (json!({"b": [1, {"y": 2, "x": "ü"}], "a": null}), json!({"a": null, "b": [1, {"x": "ü", "y": 2}]}));
    let hash = |value: &Value| sha256_of(value.as_object().expect("an object"));
    assert_eq!(hash(&one), hash(&other));
    // echo -n '{"a":1}' | sha256sum
    assert_eq!(hash(&json!({"a": 1})), "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
}

/// Every file of a trail of some files, by name.
fn a_trail() -> &'static Vec<(String, Vec<u8>)> {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let trail = open(&folder.path().join("t")).await;
            for _ in 0..40 {
                write(&trail, &["a"]).await;
            }
        });
        let entries = fs::read_dir(folder.path()).expect("the folder").flatten();
        let named = entries
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("read")));
        let mut files: Vec<_> = named.filter(|(name, _)| name != "t.lock").collect();
        files.sort();
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "t.state").count(), 4);
        files
    })
}

#[tokio::test]
async fn a_name_that_somebody_made_up_does_not_make_a_line_that_nobody_reads() {
    let folder = folder();
    let file = written(&folder, &["a", &"\0".repeat(2 << 20), "b"]).await;
    drop(open(&file).await);
    let verified = verify(&file).expect("a trail");
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    assert!(lines(&file).iter().all(|line| line["kind"] != "break"));
}

#[derive(Clone, Debug)]
enum Tampering {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    LineGone(prop::sample::Index),
    LineTwice(prop::sample::Index),
    LinesSwapped(prop::sample::Index),
    Added(Vec<u8>),
    FileGone,
    FirstLines(prop::sample::Index),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), 1..=255_u8).prop_map(|(at, by)| Tampering::Byte(at, by)),
        1 => index().prop_map(Tampering::Cut),
        1 => index().prop_map(Tampering::LineGone),
        1 => index().prop_map(Tampering::LineTwice),
        1 => index().prop_map(Tampering::LinesSwapped),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Tampering::Added),
        1 => Just(Tampering::FileGone),
        1 => index().prop_map(Tampering::FirstLines),
    ]
}

impl Tampering {
    /// What is left of a file; nothing where it is gone.
    fn of(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        match self {
            Self::Byte(at, by) => {
                let mut bytes = bytes.to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= by;
                return Some(bytes);
            }
            Self::Cut(at) => return Some(bytes[..at.index(bytes.len())].to_vec()),
            Self::LineGone(at) => drop(lines.remove(at.index(lines.len()))),
            Self::LineTwice(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
            }
            Self::LinesSwapped(at) => {
                let at = at.index(lines.len());
                let other = (at + 1) % lines.len();
                lines.swap(at, other);
            }
            Self::Added(more) => lines.push(more.clone()),
            Self::FileGone => return None,
            Self::FirstLines(count) => drop(lines.drain(..=count.index(lines.len()))),
        }
        Some(lines.concat())
    }
}

proptest! {
    #[test]
    fn any_tampering_with_any_file_is_found(which in any::<prop::sample::Index>(), tampering in tampering()) {
        let files = a_trail();
        let folder = folder();
        let victim = which.index(files.len());
        let mut is_changed = false;
        for (at, (name, bytes)) in files.iter().enumerate() {
            let left = if at == victim { tampering.of(bytes) } else { Some(bytes.clone()) };
            is_changed |= left.as_ref() != Some(bytes);
            if let Some(left) = left {
                fs::write(folder.path().join(name), left).expect("a file");
            }
        }
        let verified = verify(&folder.path().join("t")).expect("a trail");
        prop_assert_eq!(!verified.faults.is_empty(), is_changed, "{:?} of {}: {:?}", tampering, files[victim].0, verified.faults);
    }
}
