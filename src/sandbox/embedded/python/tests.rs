//! Fake interpreters that misbehave, and the way along the PATH. Real ones are tried in `tests/embedded_root.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use super::probe::{Report, ask};
use super::*;

#[test]
fn usable_means_cpython_from_3_9() {
    let report =
        |implementation: &str, version| Report { implementation: implementation.into(), version, ..Report::default() };
    assert_eq!(usable(&report("cpython", (3, 9, 0))), Ok(()));
    assert_eq!(usable(&report("cpython", (4, 0, 0))), Ok(()));
    assert!(usable(&report("cpython", (3, 8, 18))).expect_err("old").contains("3.8.18"));
    assert!(usable(&report("cpython", (2, 7, 18))).expect_err("old").contains("2.7.18"));
    assert!(usable(&report("pypy", (3, 10, 14))).expect_err("other").contains("pypy"));
}

/// Puts a shell script into a folder.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("allowed");
    path
}

async fn refusal(python: &Path) -> String {
    let error = host_python(None, Some(python)).await.expect_err("refused");
    assert_eq!(error.code(), "sandbox.python_unusable");
    error.to_string()
}

#[tokio::test]
async fn interpreters_that_misbehave_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = |name: &str, text: &str| script(folder.path(), name, text);
    let answers = |what: &str| {
        format!(r#"printf '\0{what}\0executable=%s\0running=%s\0prefix=/usr\0base_prefix=/usr\0' "$0" "$0""#)
    };

    assert!(refusal(&made("broken", "echo oh dear >&2; exit 3")).await.contains("oh dear"));
    assert!(refusal(&made("silent", "exit 0")).await.contains("does not answer as Python does"));
    assert!(refusal(&made("endless", "exec yes")).await.contains("fails"));
    assert!(refusal(&made("pypy", &answers(r"implementation=pypy\0version=3.10.1"))).await.contains("is pypy"));
    assert!(refusal(&made("old", &answers(r"implementation=cpython\0version=3.8.1"))).await.contains("Python 3.8.1"));
    assert!(refusal(&folder.path().join("none")).await.contains("is not there"));
    assert!(refusal(folder.path()).await.contains("not a file"));
    assert!(refusal(Path::new("some/python3")).await.contains("absolute"));
}

#[tokio::test]
async fn the_environment_is_a_path_and_a_home() {
    let folder = tempfile::tempdir().expect("a folder");
    let python = script(folder.path(), "python3", "env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; exit 1");
    let says = ask(&python, Some(OsStr::new("/usr/bin:/bin"))).await.expect_err("a failure");
    let names: BTreeSet<&str> =
        says.split(": ").nth(2).or(says.split(": ").nth(1)).expect("words").split(' ').collect();
    // The shell's own are no part of what it was given.
    let given: Vec<_> = names.into_iter().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_", ""].contains(name)).collect();
    let known = nix::unistd::User::from_uid(Uid::effective()).is_ok_and(|user| user.is_some());
    let expected: &[&str] = if known { &["HOME", "PATH"] } else { &["PATH"] };
    assert_eq!(given, expected, "{says}");
}

/// The clock stands still until nothing else can happen; that is when the fake interpreter and its child are both running.
#[tokio::test(start_paused = true)]
async fn one_that_never_answers_is_ended_with_its_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let python = script(folder.path(), "python3", &format!("exec 9>'{}'; sleep 1000 & wait", pipe.display()));
    let opened = tokio::task::spawn_blocking(move || fs::File::open(pipe));
    let (answer, opened) = tokio::join!(ask(&python, Some(OsStr::new("/usr/bin:/bin"))), opened);
    assert!(answer.expect_err("no answer").contains("within 30 s"));
    // Ends when the last process that holds the other side has.
    let mut rest = Vec::new();
    opened.expect("joined").expect("opened").read_to_end(&mut rest).expect("the end");
}

#[tokio::test]
async fn nothing_on_the_path_is_a_python_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("python3"), "not executable").expect("written");
    let error = host_python(Some(folder.path().as_os_str()), None).await.expect_err("none");
    assert_eq!(error.code(), "sandbox.python_missing");
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    let error = host_python(None, Some(Path::new("python3.12"))).await.expect_err("none");
    assert_eq!((error.code(), error.to_string().contains("python3.12")), ("sandbox.python_missing", true));
}

#[test]
fn the_path_is_searched_name_by_name_and_each_file_tried_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("real");
    for sub in ["a", "b"] {
        fs::create_dir(folder.join(sub)).expect("made");
    }
    let old = script(&folder.join("a"), "python3", "");
    let new = script(&folder.join("b"), "python3.12", "");
    std::os::unix::fs::symlink("python3.12", folder.join("b/python3")).expect("linked");
    let path = format!("relative:{}:{}", folder.join("a").display(), folder.join("b").display());
    let found = on_path(Some(OsStr::new(&path)), &NAMES.map(OsStr::new));
    assert_eq!(found, [old, folder.join("b/python3")]);
    assert_eq!(probe::behind(&found[1]), new);
}
