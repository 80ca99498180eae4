//! Folders made for the purpose; real systems are tried in `tests/embedded_root.rs`.

use std::os::unix::fs::symlink;

use super::*;
use crate::sandbox::embedded::elf::tests::{here, made};

const LOADER: &str = "/lib64/ld.so";

/// A small system, below usr as today's are.
struct System(tempfile::TempDir);

impl System {
    fn new() -> Self {
        let system = Self(tempfile::tempdir().expect("a folder"));
        for folder in ["usr/bin", "usr/lib64", "etc", "tmp/x", "proc", "dev", "run", "sys", "var/lib", "var/tmp"] {
            fs::create_dir_all(system.at(folder)).expect("made");
        }
        for name in ["bin", "lib64"] {
            system.link(name, &format!("usr/{name}"));
        }
        system.program("usr/bin/python3.12", &made(here(), Some(LOADER)));
        system.program("usr/lib64/ld.so", &made(here(), None));
        system.link("usr/bin/python3", "python3.12");
        system
    }

    fn at(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    fn link(&self, inside: &str, target: &str) {
        let _ = fs::remove_file(self.at(inside));
        symlink(target, self.at(inside)).expect("linked");
    }

    fn program(&self, inside: &str, bytes: &[u8]) {
        fs::write(self.at(inside), bytes).expect("written");
        fs::set_permissions(self.at(inside), fs::Permissions::from_mode(0o755)).expect("allowed");
    }

    fn root(&self) -> Result<Root, SandboxError> {
        rootfs(self.0.path(), "", Vec::new())
    }

    fn refusal(&self) -> String {
        let error = self.root().expect_err("refused");
        assert_eq!(error.code(), "sandbox.rootfs_unusable");
        error.to_string()
    }
}

#[test]
fn entries_become_binds_and_links_and_the_sandboxs_own_are_left_out() {
    let system = System::new();
    nix::unistd::mkfifo(&system.at("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    fs::write(system.at("file"), "").expect("written");
    let env = vec![("LANG".to_owned(), "C.UTF-8".to_owned())];
    let root = rootfs(system.0.path(), "", env.clone()).expect("a root");

    let targets: Vec<_> = root.binds.iter().map(|bind| bind.target.to_str().expect("text")).collect();
    assert_eq!(targets, ["/etc", "/file", "/usr", "/var/lib"]);
    let real = system.0.path().canonicalize().expect("real");
    assert!(root.binds.iter().all(|bind| bind.source == Below(&real).on_host(&bind.target)));
    let links: Vec<_> = root.links.iter().map(|l| format!("{} -> {}", l.path.display(), l.target.display())).collect();
    assert_eq!(links, ["/bin -> usr/bin", "/lib64 -> usr/lib64"]);
    assert_eq!((root.python, root.env), (PathBuf::from("/usr/bin/python3"), env));
}

#[test]
fn links_in_the_place_of_the_sandboxs_own_folders_give_way() {
    let system = System::new();
    fs::remove_dir_all(system.at("tmp")).expect("removed");
    system.link("tmp", "etc");
    fs::remove_dir_all(system.at("var")).expect("removed");
    system.link("var", "/etc");
    let root = system.root().expect("a root");
    let places = root.binds.iter().map(|b| &b.target).chain(root.links.iter().map(|l| &l.path));
    assert!(places.into_iter().all(|place| !place.starts_with("/tmp") && !place.starts_with("/var")), "{root:?}");
}

#[test]
fn the_folder_itself_may_be_reached_by_links() {
    let system = System::new();
    let beside = tempfile::tempdir().expect("a folder");
    symlink(system.0.path(), beside.path().join("rootfs")).expect("linked");
    assert_eq!(rootfs(&beside.path().join("rootfs"), "", Vec::new()).expect("a root"), system.root().expect("a root"));
}

#[test]
fn python_is_looked_for_along_the_path_inside() {
    let system = System::new();
    fs::create_dir_all(system.at("opt/py/bin")).expect("made");
    system.program("opt/py/bin/python3", &made(here(), None));
    let found = |path: &str| rootfs(system.0.path(), path, Vec::new()).map(|root| root.python);
    assert_eq!(found("/opt/py/bin:/usr/bin").expect("found"), Path::new("/opt/py/bin/python3"));
    assert_eq!(found("opt/py/bin::/none:/bin").expect("found"), Path::new("/bin/python3"));
    let says = found("/opt:relative").expect_err("none").to_string();
    assert!(says.contains("no Python") && says.contains("/opt:relative"), "{says}");

    fs::remove_file(system.at("usr/bin/python3")).expect("removed");
    assert_eq!(found("/usr/bin").expect("found"), Path::new("/usr/bin/python3.12"));
}

#[test]
fn absolute_links_are_the_folders_own() {
    let system = System::new();
    system.link("usr/bin/python3", "/usr/bin/../bin/python3.12");
    assert!(system.root().is_ok());
    // On the host this is a program; in the folder it is nothing.
    fs::remove_file(system.at("usr/bin/python3.12")).expect("removed");
    let host = std::env::current_exe().expect("myself");
    system.link("usr/bin/python3", host.to_str().expect("text"));
    assert!(system.refusal().contains("leads nowhere"), "{}", system.refusal());
    system.link("usr/bin/python3", &format!("{}{}", "../".repeat(40), host.display()));
    assert!(system.refusal().contains("leads nowhere"), "{}", system.refusal());
}

#[test]
fn a_python_that_cannot_run_is_refused_by_name() {
    let system = System::new();
    let python = |bytes: &[u8]| {
        system.program("usr/bin/python3.12", bytes);
        system.refusal()
    };
    let other = if here() == 183 { 62 } else { 183 };
    let says = python(&made(other, Some(LOADER)));
    assert!(says.contains("is made for") && says.contains(std::env::consts::ARCH), "{says}");
    assert!(python(b"#!/usr/bin/env sh\n").contains("is a script"));
    assert!(python(b"").contains("not a program"));
    assert!(python(&made(here(), Some("/lib/ld-gone.so"))).contains("needs the loader /lib/ld-gone.so"));
    assert!(python(&made(here(), Some("/etc"))).contains("needs the loader /etc"));
    assert!(python(&made(here(), Some("/proc/self/exe"))).contains("needs the loader"));

    system.program("usr/bin/python3.12", &made(here(), Some(LOADER)));
    system.program("usr/lib64/ld.so", &made(other, None));
    assert!(system.refusal().contains("needs the loader"), "{}", system.refusal());
    system.program("usr/lib64/ld.so", &made(here(), None));
    fs::set_permissions(system.at("usr/bin/python3.12"), fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(system.refusal().contains("can run"), "{}", system.refusal());
}

#[test]
fn a_python_hidden_by_the_sandboxs_own_folders_is_refused() {
    let system = System::new();
    system.program("tmp/x/python3", &made(here(), None));
    for target in ["/tmp/x/python3", "/run/way"] {
        system.link("run/way", "/usr/bin/python3.12");
        system.link("usr/bin/python3", target);
        fs::rename(system.at("usr/bin/python3.12"), system.at("usr/bin/python3.12")).expect("there");
        let says = rootfs(system.0.path(), "/usr/bin", Vec::new());
        // The name with a version is found instead; without it there is none.
        assert_eq!(says.expect("the other").python, Path::new("/usr/bin/python3.12"));
    }
    fs::rename(system.at("usr/bin/python3.12"), system.at("usr/bin/real")).expect("renamed");
    for target in ["/tmp/x/python3", "/run/way"] {
        system.link("run/way", "/usr/bin/real");
        system.link("usr/bin/python3", target);
        assert!(system.refusal().contains("every sandbox has that of its own"), "{}", system.refusal());
    }
}

#[test]
fn folders_that_are_no_systems_are_refused() {
    let refused = |folder: &Path| {
        let error = rootfs(folder, "", Vec::new()).expect_err("refused");
        assert_eq!(error.code(), "sandbox.rootfs_unusable");
        error.to_string()
    };
    let folder = tempfile::tempdir().expect("a folder");
    assert!(refused(folder.path()).contains("no Python"));
    assert!(refused(&folder.path().join("none")).contains("cannot be opened"));
    fs::write(folder.path().join("file"), "").expect("written");
    assert!(refused(&folder.path().join("file")).contains("is not a folder"));
    assert!(refused(Path::new("/")).contains("own root"));
    for number in 0..=MOST_ENTRIES {
        fs::write(folder.path().join(format!("f{number}")), "").expect("written");
    }
    assert!(refused(folder.path()).contains("more than"));
}
