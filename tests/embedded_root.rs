//! Roots made of the Pythons that this machine has: every file they load on the host must be found by the same path inside.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use mcp_bridge::sandbox::embedded::python::host_python;
use mcp_bridge::sandbox::embedded::root::{OWN, Root};

/// Imports what has native parts, where the build has it, and says what is loaded then and where.
const LOADED: &str = r#"
import json, sys
for name in ("asyncio ssl sqlite3 ctypes lzma bz2 zlib decimal readline uuid hashlib xml.etree.ElementTree curses "
             "dbm.ndbm dbm.gnu email multiprocessing socket zoneinfo").split():
    try:
        __import__(name)
    except ImportError:
        pass
files = {m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
with open("/proc/self/maps") as maps:
    files |= {line.split(None, 5)[5].rstrip("\n") for line in maps if "x" in line.split()[1] and "/" in line}
print(json.dumps({"files": sorted(files), "path": sys.path, "prefix": sys.prefix, "version": sys.version_info[:2]}))
"#;

#[derive(Debug, serde::Deserialize)]
struct Loaded {
    files: Vec<PathBuf>,
    path: Vec<PathBuf>,
    prefix: PathBuf,
    version: (u32, u32),
}

fn loaded(python: &Path) -> Loaded {
    let out = Command::new(python).args(["-I", "-B", "-c", LOADED]).env_clear().output().expect("started");
    assert!(out.status.success(), "{}: {}", python.display(), String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Interpreters of this machine, by file: those on the PATH, and what pyenv installed.
fn pythons() -> BTreeSet<PathBuf> {
    let names = (6..20).map(|minor| format!("python3.{minor}")).chain(["python3".into()]);
    let names: Vec<String> = names.collect();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path()).collect();
    if let Some(home) = std::env::home_dir()
        && let Ok(versions) = fs::read_dir(home.join(".pyenv/versions"))
    {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let places = folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let is_program = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
    places.filter_map(|place| place.canonicalize().ok()).filter(is_program).collect()
}

/// The first that a sandbox can use. A machine without any cannot run this project's tests at all.
fn usable() -> PathBuf {
    pythons().into_iter().find(|python| loaded(python).version >= (3, 9)).expect("a Python from 3.9 on")
}

async fn root_of(python: &Path) -> Root {
    host_python(Some(&path()), Some(python)).await.unwrap_or_else(|error| panic!("{}: {error}", python.display()))
}

/// The host's file that a path inside ends at; written apart from the code that makes roots.
fn inside(root: &Root, path: &Path, links: u32) -> Option<PathBuf> {
    let bound = |place: &Path| {
        let bind = root.binds.iter().find(|bind| place.starts_with(&bind.target))?;
        let rest = place.strip_prefix(&bind.target).ok()?;
        Some(if rest.as_os_str().is_empty() { bind.source.clone() } else { bind.source.join(rest) })
    };
    let mut at = PathBuf::from("/");
    let mut steps = path.components();
    while let Some(step) = steps.next() {
        let next = match step {
            Component::Normal(name) => at.join(name),
            Component::ParentDir => {
                at.pop();
                continue;
            }
            _ => continue,
        };
        let made = root.links.iter().find(|link| link.path == next).map(|link| link.target.clone());
        if let Some(target) = made.or_else(|| fs::read_link(bound(&next)?).ok()) {
            return inside(root, &at.join(target).join(steps.as_path()), links.checked_sub(1)?);
        }
        at = next;
    }
    bound(&at).filter(|file| file.exists())
}

fn same_inside(root: &Root, path: &Path) {
    let outside = path.canonicalize().expect("it is loaded, so it is there");
    assert_eq!(inside(root, path, 40), Some(outside), "{} in {root:#?}", path.display());
}

#[tokio::test]
async fn every_python_of_this_machine_finds_its_files_inside() {
    let mut tried = 0;
    for python in pythons() {
        let outside = loaded(&python);
        if outside.version < (3, 9) {
            let error = host_python(None, Some(&python)).await.expect_err("too old");
            assert_eq!(error.code(), "sandbox.python_unusable");
            assert!(error.to_string().contains("3.9 or later"), "{error}");
            continue;
        }
        let root = root_of(&python).await;
        assert_eq!(root.python, python);
        same_inside(&root, &python);
        let existing = outside.path.iter().filter(|entry| entry.exists());
        for file in outside.files.iter().chain(existing) {
            same_inside(&root, file);
        }
        tried += 1;
    }
    assert!(tried > 0, "no Python from 3.9 on");
}

#[tokio::test]
async fn nothing_of_anybodys_is_shown() {
    let home = std::env::home_dir().expect("a home");
    for python in pythons().into_iter().filter(|python| loaded(python).version >= (3, 9)) {
        let root = root_of(&python).await;
        for bind in &root.binds {
            let wide = [home.as_path(), Path::new("/usr"), Path::new("/var"), Path::new("/opt")];
            assert!(wide.iter().all(|wide| !wide.starts_with(&bind.target)), "{bind:?}");
            assert!(OWN.iter().all(|own| !bind.target.starts_with(own)), "{bind:?}");
            let of_etc = bind.target.starts_with("/etc");
            let harmless = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/zoneinfo"];
            assert!(!of_etc || harmless.iter().any(|path| bind.target == Path::new(path)), "{bind:?}");
        }
        for private in ["/etc/passwd", "/etc/shadow", "/etc/hostname", "/root/.bashrc", "/bin/sh", "/usr/bin/env"] {
            assert_eq!(inside(&root, Path::new(private), 40), None, "{private}");
        }
    }
}

/// Makes a virtual environment with a package in it, and a project installed where it is being written.
fn environment(python: &Path, at: &Path) -> PathBuf {
    let _ = fs::remove_dir_all(at);
    let made = Command::new(python).args(["-I", "-m", "venv", "--without-pip"]).arg(at).status().expect("started");
    assert!(made.success());
    let inner = at.join("bin/python3");
    let packages = loaded(&inner).path.pop().expect("packages");
    assert!(packages.starts_with(at));
    fs::write(packages.join("there.py"), "").expect("written");
    fs::create_dir_all(at.join("../project")).expect("made");
    let project = at.join("../project").canonicalize().expect("real");
    fs::write(packages.join("editable.pth"), project.as_os_str().as_encoded_bytes()).expect("written");
    inner
}

#[tokio::test]
async fn a_virtual_environment_keeps_its_packages_and_hides_the_project() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded_root");
    if let Some(own) = OWN.iter().find(|own| place.starts_with(own)) {
        eprintln!("SKIPPED: this build is in {own}, where no environment can be used");
        return;
    }
    let python = environment(&usable(), &place.join("venv"));
    let outside = loaded(&python);
    let root = root_of(&python).await;
    assert_eq!(root.python, python);
    assert_eq!(outside.prefix, place.join("venv"));
    let project = place.join("project");
    assert!(outside.path.contains(&project), "{outside:?}");
    let belongs = |file: &&PathBuf| file.exists() && !file.starts_with(&project);
    for file in outside.files.iter().chain(&outside.path).filter(belongs) {
        same_inside(&root, file);
    }
    for file in ["bin/python3", "pyvenv.cfg"] {
        same_inside(&root, &place.join("venv").join(file));
    }
    let packages = outside.path.iter().find(|entry| entry.ends_with("site-packages")).expect("packages");
    same_inside(&root, &packages.join("there.py"));
    assert_eq!(inside(&root, &project, 40), None);
    fs::remove_dir_all(place).expect("removed");
}

#[tokio::test]
async fn an_environment_in_a_folder_of_the_sandboxs_own_is_refused() {
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    let python = environment(&usable(), &folder.path().join("venv"));
    let error = host_python(None, Some(&python)).await.expect_err("refused");
    assert_eq!(error.code(), "sandbox.python_unusable");
    assert!(error.to_string().contains("every sandbox has a /tmp of its own"), "{error}");
    assert!(error.hint().contains("MCP_BRIDGE_PYTHON"));
}

fn shim(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), format!("#!/bin/sh\n{text}\n")).expect("written");
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).expect("allowed");
}

#[tokio::test]
async fn shims_links_and_names_lead_to_the_interpreter_behind_them() {
    let python = usable();
    let direct = root_of(&python).await;
    let folder = tempfile::tempdir().expect("a folder");
    shim(folder.path(), "python3", &format!("exec '{}' \"$@\"", python.display()));
    let path = folder.path().as_os_str();
    assert_eq!(host_python(Some(path), None).await.expect("by shim"), direct);
    assert_eq!(host_python(Some(path), Some(Path::new("python3"))).await.expect("by name"), direct);
    symlink(&python, folder.path().join("link")).expect("linked");
    assert_eq!(host_python(None, Some(&folder.path().join("link"))).await.expect("by link"), direct);
}

#[tokio::test]
async fn a_broken_python3_is_passed_over_unless_it_was_named() {
    let python = usable();
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    shim(first.path(), "python3", "echo no version is set >&2; exit 127");
    let both = std::env::join_paths([first.path(), second.path()]).expect("a path");
    let broken = host_python(Some(&both), None).await.expect_err("nothing else");
    assert_eq!(broken.code(), "sandbox.python_unusable");
    assert!(broken.to_string().contains("no version is set"), "{broken}");

    symlink(&python, second.path().join("python3.9")).expect("linked");
    let root = host_python(Some(OsStr::new(&both)), None).await.expect("the second");
    assert_eq!(root.python, python);
    let named = host_python(Some(&both), Some(&first.path().join("python3"))).await.expect_err("named");
    assert_eq!(named.code(), "sandbox.python_unusable");
}
