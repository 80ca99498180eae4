//! Made-up installations, and interpreters that misbehave. Real ones are tried in `tests/embedded_root.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use super::probe::{Report, ask};
use super::*;
use crate::sandbox::embedded::tree::tests::Made;
use crate::sandbox::embedded::tree::{Kind, Tree, walk};

/// An installation: what the interpreter says (`executable`, `prefix`, …, several paths on a line), and the tree it is in.
struct Case {
    report: Report,
    loaders: Vec<PathBuf>,
    tree: Made,
}

impl Case {
    fn new(says: &str, tree: &str) -> Self {
        let mut report = Report { implementation: "cpython".into(), version: (3, 12, 1), ..Report::default() };
        let mut loaders = Vec::new();
        for line in says.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, values) = line.split_once(": ").expect("key: values");
            let paths: Vec<PathBuf> = values.split_whitespace().map(PathBuf::from).collect();
            let only = paths[0].clone();
            match key {
                "executable" => (report.executable, report.running) = (only.clone(), only),
                "running" => report.running = only,
                "prefix" => (report.prefix, report.base_prefix) = (only.clone(), only),
                "base_prefix" => report.base_prefix = only,
                "path" => report.path = paths,
                "code" => report.code = paths,
                "loader" => loaders = paths,
                _ => panic!("{key}"),
            }
        }
        Self { report, loaders, tree: Made::up(tree) }
    }

    fn root(&self) -> Result<Root, String> {
        parts::root(&self.report, &self.loaders, &self.tree)
    }

    /// The root as lines, after making sure that it serves: every path that matters ends inside where it ends outside.
    fn parts(&self) -> Vec<String> {
        let root = self.root().expect("a root");
        let inside = Inside { root: &root, tree: &self.tree };
        let files = [&self.report.executable, &self.report.running];
        for path in files.into_iter().chain(&self.loaders).chain(&self.report.code) {
            let outside = walk(&self.tree, path).expect("outside").real;
            assert_eq!(walk(&inside, path).expect("inside").real, outside, "{}", path.display());
        }
        for (one, other) in root.binds.iter().flat_map(|one| root.binds.iter().map(move |other| (one, other))) {
            assert!(one == other || !one.target.starts_with(&other.target), "{one:?} is in {other:?}");
        }
        assert!(root.binds.is_sorted() && root.links.is_sorted());
        assert!(root.binds.iter().all(|bind| bind.source == bind.target));
        assert_eq!(root.python, self.report.executable);
        let binds = root.binds.iter().map(|bind| bind.target.display().to_string());
        binds.chain(root.links.iter().map(|l| format!("{} -> {}", l.path.display(), l.target.display()))).collect()
    }
}

/// A root as the sandbox shows it.
struct Inside<'a> {
    root: &'a Root,
    tree: &'a Made,
}

impl Tree for Inside<'_> {
    fn look(&self, path: &Path) -> Option<Kind> {
        if let Some(link) = self.root.links.iter().find(|link| link.path == path) {
            return Some(Kind::Link(link.target.clone()));
        }
        if self.root.binds.iter().any(|bind| path.starts_with(&bind.target)) {
            return self.tree.look(path);
        }
        let places =
            self.root.binds.iter().map(|bind| &bind.target).chain(self.root.links.iter().map(|link| &link.path));
        places.into_iter().any(|place| place.starts_with(path)).then_some(Kind::Folder)
    }
}

const DEBIAN: &str = "
    executable: /usr/bin/python3.11
    prefix: /usr
    path: /usr/lib/python311.zip /usr/lib/python3.11 /usr/lib/python3.11/lib-dynload /usr/lib/python3/dist-packages
    code: /usr/bin/python3.11 /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib/python3.11/lib-dynload/_ssl.so
    loader: /lib64/ld-linux-x86-64.so.2";

#[test]
fn debian_with_all_of_it_below_usr() {
    let case = Case::new(
        DEBIAN,
        "/lib -> usr/lib
         /lib64 -> usr/lib64
         /usr/bin/python3 -> python3.11
         /usr/bin/python3.11
         /usr/bin/python -> python2
         /usr/bin/python2
         /usr/lib/python3.11/lib-dynload/_ssl.so
         /usr/lib/python3/dist-packages/
         /usr/lib/x86_64-linux-gnu/libc.so.6
         /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
         /usr/lib64/ld-linux-x86-64.so.2 -> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
         /usr/share/zoneinfo/
         /etc/ld.so.cache
         /etc/shadow
         /etc/alternatives/",
    );
    let parts = [
        "/etc/alternatives",
        "/etc/ld.so.cache",
        "/usr/bin/python3.11",
        "/usr/lib/python3/dist-packages",
        "/usr/lib/python3.11",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/share/zoneinfo",
        "/lib -> usr/lib",
        "/lib64 -> usr/lib64",
        "/usr/bin/python3 -> python3.11",
        "/usr/lib64/ld-linux-x86-64.so.2 -> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    ];
    assert_eq!(case.parts(), parts);
    assert_eq!(case.root().expect("a root").env, [("PATH".to_owned(), "/usr/bin".to_owned())]);
}

#[test]
fn an_older_system_with_libraries_at_the_top() {
    let says = DEBIAN.replace(
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-gnu/libssl.so",
    );
    let case = Case::new(
        &says,
        "/lib/x86_64-linux-gnu/libc.so.6
         /lib/x86_64-linux-gnu/ld-2.31.so
         /lib/modules/
         /lib64/ld-linux-x86-64.so.2 -> /lib/x86_64-linux-gnu/ld-2.31.so
         /usr/bin/python3.11
         /usr/lib/python3.11/lib-dynload/_ssl.so
         /usr/lib/x86_64-linux-gnu/libssl.so",
    );
    let parts = [
        "/lib/x86_64-linux-gnu",
        "/usr/bin/python3.11",
        "/usr/lib/python3.11",
        "/usr/lib/x86_64-linux-gnu",
        "/lib64/ld-linux-x86-64.so.2 -> /lib/x86_64-linux-gnu/ld-2.31.so",
    ];
    assert_eq!(case.parts(), parts);
}

#[test]
fn fedora_with_two_library_folders() {
    let case = Case::new(
        "executable: /usr/bin/python3.12
         prefix: /usr
         path: /usr/lib64/python3.12 /usr/lib64/python3.12/lib-dynload /usr/lib/python3.12/site-packages
         code: /usr/lib64/libpython3.12.so.1.0 /usr/lib64/libc.so.6
         loader: /lib64/ld-linux-x86-64.so.2",
        "/lib -> usr/lib
         /lib64 -> usr/lib64
         /usr/bin/python3.12
         /usr/lib64/libpython3.12.so.1.0
         /usr/lib64/libc.so.6
         /usr/lib64/ld-linux-x86-64.so.2
         /usr/lib64/python3.12/lib-dynload/
         /usr/lib/python3.12/site-packages/",
    );
    let parts = [
        "/usr/bin/python3.12",
        "/usr/lib/python3.12/site-packages",
        "/usr/lib64",
        "/lib -> usr/lib",
        "/lib64 -> usr/lib64",
    ];
    assert_eq!(case.parts(), parts);
}

#[test]
fn alpine_where_the_loader_is_the_c_library() {
    let case = Case::new(
        "executable: /usr/bin/python3.12
         prefix: /usr
         path: /usr/lib/python3.12 /usr/lib/python3.12/lib-dynload /usr/lib/python3.12/site-packages
         code: /lib/ld-musl-x86_64.so.1 /usr/lib/libpython3.12.so.1.0
         loader: /lib/ld-musl-x86_64.so.1",
        "/lib/ld-musl-x86_64.so.1
         /usr/bin/python3 -> python3.12
         /usr/bin/python3.12
         /usr/lib/libpython3.12.so.1.0
         /usr/lib/python3.12/lib-dynload/
         /usr/lib/python3.12/site-packages/",
    );
    assert_eq!(case.parts(), ["/lib", "/usr/bin/python3.12", "/usr/lib", "/usr/bin/python3 -> python3.12"]);
}

#[test]
fn nixos_where_every_library_has_a_folder_of_its_own() {
    let case = Case::new(
        "executable: /nix/store/e-env/bin/python3.12
         running: /nix/store/p-python3/bin/python3.12
         prefix: /nix/store/e-env
         base_prefix: /nix/store/p-python3
         path: /nix/store/p-python3/lib/python3.12 /nix/store/n-numpy/lib/python3.12/site-packages /run/user/1000/odd
         code: /nix/store/p-python3/bin/python3.12 /nix/store/g-glibc/lib/libc.so.6 /nix/store/s-openssl/lib/libssl.so.3 [vdso]
         loader: /nix/store/g-glibc/lib/ld-linux-x86-64.so.2",
        "/run/current-system/sw/bin/python3
         /run/user/1000/odd/
         /nix/store/e-env/bin/python3.12
         /nix/store/e-env/pyvenv.cfg
         /nix/store/p-python3/bin/python3.12
         /nix/store/p-python3/lib/python3.12/
         /nix/store/n-numpy/lib/python3.12/site-packages/
         /nix/store/g-glibc/lib/libc.so.6
         /nix/store/g-glibc/lib/ld-linux-x86-64.so.2
         /nix/store/s-openssl/lib/libssl.so.3
         /nix/store/t-tzdata/share/zoneinfo/
         /etc/static -> /nix/store/x-etc/etc
         /etc/zoneinfo -> /etc/static/zoneinfo
         /nix/store/x-etc/etc/zoneinfo -> /nix/store/t-tzdata/share/zoneinfo",
    );
    let mut says = case.report.clone();
    // `code` may hold what is no file; `parts` would look for it.
    says.code.retain(|path| path.is_absolute());
    let parts = [
        "/nix/store/e-env/bin/python3.12",
        "/nix/store/e-env/pyvenv.cfg",
        "/nix/store/g-glibc/lib",
        "/nix/store/n-numpy/lib/python3.12/site-packages",
        "/nix/store/p-python3/bin/python3.12",
        "/nix/store/p-python3/lib/python3.12",
        "/nix/store/s-openssl/lib",
        "/nix/store/t-tzdata/share/zoneinfo",
        "/etc/static -> /nix/store/x-etc/etc",
        "/etc/zoneinfo -> /etc/static/zoneinfo",
        "/nix/store/x-etc/etc/zoneinfo -> /nix/store/t-tzdata/share/zoneinfo",
    ];
    assert!(case.root().is_ok());
    assert_eq!(Case { report: says, ..case }.parts(), parts);
}

#[test]
fn pyenv_behind_a_link_of_the_home_folder() {
    let case = Case::new(
        "executable: /home/me/.pyenv/versions/3.12.1/bin/python3.12
         prefix: /home/me/.pyenv/versions/3.12.1
         path: /home/me/.pyenv/versions/3.12.1/lib/python3.12 /home/me/.local/lib/python3.12/site-packages /home/me/project
         code: /data/pyenv/versions/3.12.1/lib/libpython3.12.so.1.0 /lib/libc.so.6
         loader: /lib64/ld.so",
        "/home/me/.pyenv -> /data/pyenv
         /home/me/.ssh/id_ed25519
         /home/me/project/.env
         /home/me/.local/lib/python3.12/site-packages/
         /data/pyenv/versions/3.12.1/bin/python3.12
         /data/pyenv/versions/3.12.1/bin/python3 -> python3.12
         /data/pyenv/versions/3.12.1/bin/python -> python3
         /data/pyenv/versions/3.12.1/lib/libpython3.12.so.1.0
         /data/pyenv/versions/3.12.1/lib/python3.12/
         /lib/libc.so.6
         /lib64/ld.so",
    );
    let parts = [
        "/data/pyenv/versions/3.12.1/bin/python3.12",
        "/data/pyenv/versions/3.12.1/lib",
        "/lib",
        "/lib64/ld.so",
        "/data/pyenv/versions/3.12.1/bin/python -> python3",
        "/data/pyenv/versions/3.12.1/bin/python3 -> python3.12",
        "/home/me/.pyenv -> /data/pyenv",
    ];
    assert_eq!(case.parts(), parts);
}

#[test]
fn an_environment_of_uv_has_the_packages_of_both() {
    let case = Case::new(
        "executable: /home/me/project/.venv/bin/python3
         running: /home/me/.local/share/uv/python/cpython-3.12.7-linux/bin/python3.12
         prefix: /home/me/project/.venv
         base_prefix: /home/me/.local/share/uv/python/cpython-3.12-linux
         path: /home/me/.local/share/uv/python/cpython-3.12-linux/lib/python3.12 /home/me/project/.venv/lib/python3.12/site-packages /home/me/project/src
         code: /lib/libc.so.6
         loader: /lib64/ld.so",
        "/home/me/project/.env
         /home/me/project/src/
         /home/me/project/.venv/pyvenv.cfg
         /home/me/project/.venv/bin/python -> /home/me/.local/share/uv/python/cpython-3.12-linux/bin/python3.12
         /home/me/project/.venv/bin/python3 -> python
         /home/me/project/.venv/lib/python3.12/site-packages/
         /home/me/.local/share/uv/python/cpython-3.12-linux -> cpython-3.12.7-linux
         /home/me/.local/share/uv/python/cpython-3.12.7-linux/bin/python3.12
         /home/me/.local/share/uv/python/cpython-3.12.7-linux/lib/python3.12/
         /lib/libc.so.6
         /lib64/ld.so",
    );
    let parts = [
        "/home/me/.local/share/uv/python/cpython-3.12.7-linux/bin/python3.12",
        "/home/me/.local/share/uv/python/cpython-3.12.7-linux/lib/python3.12",
        "/home/me/project/.venv/lib/python3.12/site-packages",
        "/home/me/project/.venv/pyvenv.cfg",
        "/lib",
        "/lib64/ld.so",
        "/home/me/.local/share/uv/python/cpython-3.12-linux -> cpython-3.12.7-linux",
        "/home/me/project/.venv/bin/python -> /home/me/.local/share/uv/python/cpython-3.12-linux/bin/python3.12",
        "/home/me/project/.venv/bin/python3 -> python",
    ];
    assert_eq!(case.parts(), parts);
}

#[test]
fn built_from_source_below_usr_local() {
    let case = Case::new(
        "executable: /usr/local/bin/python3.12
         prefix: /usr/local
         path: /usr/local/lib/python3.12 /usr/local/lib/python3.12/lib-dynload
         code: /usr/lib/gnu/libc.so.6
         loader: /usr/lib/gnu/ld.so",
        "/usr/local/bin/python3.12
         /usr/local/bin/other
         /usr/local/lib/python3.12/lib-dynload/
         /usr/local/lib/libpython3.12.so.1.0
         /usr/lib/gnu/libc.so.6
         /usr/lib/gnu/ld.so",
    );
    assert_eq!(case.parts(), ["/usr/lib/gnu", "/usr/local/bin/python3.12", "/usr/local/lib/python3.12"]);
    let mut shared = case;
    shared.report.code.push("/usr/local/lib/libpython3.12.so.1.0".into());
    assert_eq!(shared.parts(), ["/usr/lib/gnu", "/usr/local/bin/python3.12", "/usr/local/lib"]);
}

#[test]
fn conda_brings_its_own_libraries_and_time_zones() {
    let case = Case::new(
        "executable: /opt/conda/envs/a/bin/python3.12
         prefix: /opt/conda/envs/a
         path: /opt/conda/envs/a/lib/python3.12 /opt/conda/envs/a/lib/python3.12/site-packages
         code: /opt/conda/envs/a/lib/libssl.so.3 /lib/libc.so.6
         loader: /lib/ld.so",
        "/opt/conda/envs/a/bin/python3.12
         /opt/conda/envs/a/lib/python3.12/site-packages/
         /opt/conda/envs/a/lib/libssl.so.3
         /opt/conda/envs/a/share/zoneinfo/
         /opt/conda/.condarc
         /lib/libc.so.6
         /lib/ld.so",
    );
    let parts =
        ["/lib", "/opt/conda/envs/a/bin/python3.12", "/opt/conda/envs/a/lib", "/opt/conda/envs/a/share/zoneinfo"];
    assert_eq!(case.parts(), parts);
}

/// What an installation is refused for, one line of the tree or the report being another than in a good one.
#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let says = "
        executable: /opt/py/bin/python3.12
        prefix: /opt/py
        path: /opt/py/lib/python3.12
        code: /opt/py/lib/libpython3.12.so
        loader: /lib64/ld.so";
    let tree = "
        /opt/py/bin/python3.12
        /opt/py/lib/python3.12/
        /opt/py/lib/libpython3.12.so
        /lib64/ld.so
        ";
    let refused = |says: &str, tree: &str| Case::new(says, tree).root().expect_err("refused");
    assert!(Case::new(says, tree).root().is_ok());

    let moved = |to: &str| refused(&says.replace("/opt/py", to), &tree.replace("/opt/py", to));
    assert!(moved("/tmp/venv").contains("every sandbox has a /tmp of its own"), "{}", moved("/tmp/venv"));
    assert!(moved("/var/tmp/x").contains("/var/tmp"));
    assert!(moved("/workspace/.venv").contains("/workspace"));
    assert!(moved("/run/py").contains("/run"));

    let by = |line: &str, other: &str| refused(says, &tree.replace(line, other));
    assert!(by("/lib64/ld.so\n", "").contains("`/lib64` does not exist"));
    assert!(by("/lib64/ld.so\n", "/lib64/ld.so -> ld.so\n").contains("loop"));
    assert!(by("/lib64/ld.so\n", "/lib64/ld.so -> gone\n").contains("`/lib64/gone` does not exist"));
    assert!(by("/lib64/ld.so\n", "/lib64/ld.so -> /run/ld.so\n/run/ld.so\n").contains("/run"));
    assert!(by("/opt/py/bin/python3.12\n", "").contains("/opt/py/bin"));

    // A library that lies in a home folder, in `/etc`, or at the top: its folder is never shown, and without it nothing works.
    for file in
        ["/home/me/libx.so", "/root/libx.so", "/etc/libx.so", "/libx.so", "/usr/local/libx.so", "/var/home/me/libx.so"]
    {
        let says = format!("{says} {file}")
            .replace("loader: /lib64/ld.so", "loader: /lib64/ld.so\ncode: /opt/py/lib/libpython3.12.so");
        let says = says.replace(&format!("libpython3.12.so {file}"), &format!("libpython3.12.so\ncode: {file}"));
        let reason = refused(&says, &format!("{tree}\n{file}\n"));
        assert!(reason.contains("no program may see") || reason.contains("of its own"), "{file}: {reason}");
    }
}

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
    assert!(refusal(&folder.path().join("none")).await.contains("not a file"));
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
    assert_eq!(given, ["HOME", "PATH"], "{says}");
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
    assert!(answer.expect_err("no answer").contains("within 5 s"));
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
