//! With the kernel itself, where this process may make groups; says so where it may not.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::sandbox::Limits;
use crate::sandbox::instance::{Instance, started};

const LIMITS: Limits =
    Limits { memory: 96 << 20, pids: 12, cpus: 0.5, user: String::new(), tmp: 0, workspace: 0, open_files: 0 };

/// Where groups can be made, or `None`, aloud.
fn here() -> Option<Cgroups> {
    let found = Cgroups::find(&mut idle());
    let reason = [&found.memory, &found.pids, &found.cpu].into_iter().find_map(|place| place.as_ref().err().cloned());
    match reason {
        Some(reason) => skipped(&format!("no control group can be made here: {reason}")),
        None => return Some(found),
    }
    None
}

/// Aloud: past the harness, which keeps the output of tests that pass.
fn skipped(why: &str) {
    writeln!(std::io::stderr(), "skipped: {why}").expect("stderr");
}

/// Python inside the groups, from its first instruction on.
fn python(groups: &[Group], program: &str) -> Child {
    let enter: String = groups.iter().map(|group| format!("echo 0 > '{}' && ", group.procs.display())).collect();
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{enter}exec python3 -c \"$0\"")).arg(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("python3")
}

fn folders(groups: &[Group]) -> Vec<PathBuf> {
    groups.iter().map(|group| group.folder.clone()).collect()
}

fn inside(folder: &Path) -> String {
    fs::read_to_string(folder.join("cgroup.procs")).expect("the processes of a group")
}

#[test]
fn limits_hold_are_counted_and_leave_nothing() {
    let Some(found) = here() else { return };
    let groups = groups(&found, &name("limits"), &LIMITS);
    for group in &groups {
        group.make().expect("a group");
    }
    assert!(groups[0].make().is_err(), "the same group twice");
    assert_eq!(groups.iter().map(Group::counters).sum::<Counters>(), Counters::default());

    let greedy = python(&groups, "b = bytearray(400 << 20)").wait_with_output().expect("ended");
    assert_eq!(greedy.status.signal(), Some(9), "killed by the kernel");
    let program = "
import os
made = 0
try:
    for _ in range(40):
        if os.fork() == 0:
            os.read(0, 1)  # until the input ends
            os._exit(0)
        made += 1
except BlockingIOError:
    print(made)";
    let many = python(&groups, program).wait_with_output().expect("ended");
    assert_eq!(String::from_utf8_lossy(&many.stdout).trim(), "11", "eleven beside the first");

    let counted: Counters = groups.iter().map(Group::counters).sum();
    assert_eq!(counted.oom_kills, 1);
    assert_eq!(counted.pids_denied, 1);
    for group in &groups {
        group.remove().expect("removed");
        group.remove().expect("removed already");
    }
    assert!(folders(&groups).iter().all(|folder| !folder.exists()));
}

#[test]
fn a_share_of_a_processor_holds() {
    let Some(found) = here() else { return };
    let groups = groups(&found, &name("share"), &Limits { cpus: 0.2, ..LIMITS });
    groups.iter().try_for_each(Group::make).expect("groups");
    let program = "
import time
while time.process_time() < 0.2: pass";
    let busy = python(&groups, program).wait_with_output().expect("ended");
    assert!(busy.status.success());
    // Ten periods' worth: it was stopped at the end of nearly each, however slow the machine.
    let files = groups.iter().filter_map(|group| fs::read_to_string(group.folder.join("cpu.stat")).ok());
    let stopped = files.filter_map(|text| effect::value(&text, "nr_throttled")).max();
    assert!(stopped.is_some_and(|times| times >= 4), "{stopped:?}");
    groups.iter().try_for_each(Group::remove).expect("removed");
}

#[test]
fn removing_kills_what_is_inside() {
    let Some(found) = here() else { return };
    let groups = groups(&found, &name("kill"), &LIMITS);
    groups.iter().try_for_each(Group::make).expect("groups");
    let mut child = python(&groups, "import os; os.write(1, b'.'); os.read(0, 1)");
    let mut byte = [0];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut byte).expect("it runs");
    for group in &groups {
        assert_eq!(inside(&group.folder), format!("{}\n", child.id()));
    }
    groups.iter().try_for_each(Group::remove).expect("removed");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
}

#[test]
fn a_refused_limit_leaves_no_group() {
    let Some(found) = here() else { return };
    let mut group = groups(&found, &name("refused"), &LIMITS).remove(0);
    group.limits[0].value = "nonsense".into();
    let fault = group.make().expect_err("no such limit");
    assert!(fault.step.starts_with("write nonsense to "), "{fault}");
    assert!(!group.folder.exists());
}

#[test]
fn finding_leaves_nothing_and_can_be_repeated() {
    let Some(found) = here() else { return };
    assert_eq!(Cgroups::find(&mut idle()), found, "also once our processes are in a leaf");
    let trials = format!("_{}_", std::process::id());
    for place in found.places() {
        let left = fs::read_dir(&place.parent).expect("the folder of our groups").flatten();
        let left: Vec<_> = left.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        assert!(!left.iter().any(|name| name.contains(&trials) && name.ends_with(".trial")), "{left:?}");
    }
}

#[test]
fn where_groups_are_made_is_ours_alone() {
    if !nix::unistd::geteuid().is_root() {
        skipped("only root can try as somebody else");
        return;
    }
    let Some(found) = here() else { return };
    let mut other = Command::new("setpriv");
    other.args(["--reuid", "54321", "--regid", "54321", "--clear-groups", "--", "mkdir"]);
    let folder = found.memory.expect("a place").parent.join("not-ours");
    let made = other.arg(&folder).stderr(Stdio::null()).status().expect("setpriv");
    assert!(!made.success() && !folder.exists());
    let refused = effect::fault("make x".into(), &std::io::Error::from_raw_os_error(libc::EACCES));
    assert!(refused.reason.starts_with("it is not ours to write"), "{refused}");
}

/// A bridge that is really killed, with a sandbox that really runs.
#[test]
fn a_sweep_ends_what_dead_bridges_left_and_nothing_else() {
    let Some(found) = here() else { return };
    // A folder of our own beside the real ones: other tests' groups are not ours to sweep.
    let apart =
        |place: &Place| Place { parent: place.parent.join(format!("apart-{}", std::process::id())), ..place.clone() };
    let cgroups = Cgroups { pids: found.pids.as_ref().map(apart).map_err(String::clone), ..Cgroups::none("not here") };
    let parent = cgroups.pids.clone().expect("a place").parent;
    fs::create_dir(&parent).expect("a folder");
    if parent.join("cgroup.subtree_control").exists() {
        effect::write(&parent.join("cgroup.subtree_control"), "+pids").expect("handed down");
    }

    let mut bridge = idle().spawn().expect("a process");
    let ours = sweep::HERE.to_string();
    let words: Vec<&str> = ours.split(' ').collect();
    let owned = |place: &str| -> Instance {
        let started = started(bridge.id()).expect("it runs");
        format!("1 {} {place} {} {started}", words[1], bridge.id()).parse().expect("a label")
    };
    let (owner, elsewhere) = (owned(words[2]), owned("elsewhere"));

    let one = |name: &str| groups(&cgroups, name, &LIMITS).remove(0);
    let (theirs, ours) = (one(&sweep::named(&owner, "theirs")), one(&name("ours")));
    let (far, foreign) = (one(&sweep::named(&elsewhere, "far")), one("docker"));
    [&theirs, &ours, &far, &foreign].into_iter().try_for_each(Group::make).expect("groups");
    let mut sandbox = idle().spawn().expect("a process");
    effect::write(&theirs.procs, &sandbox.id().to_string()).expect("moved");

    assert_eq!(sweep(&cgroups), 0, "its bridge lives");
    assert_eq!(inside(&theirs.folder), format!("{}\n", sandbox.id()));
    bridge.kill().and_then(|()| bridge.wait()).expect("killed");
    assert_eq!(sweep(&cgroups), 1);
    assert!(!theirs.folder.exists());
    assert_eq!(sandbox.wait().expect("ended").signal(), Some(9));
    assert_eq!(sweep(&cgroups), 0);
    for other in [&ours, &far, &foreign] {
        assert!(other.folder.exists(), "{other:?}");
        other.remove().expect("removed");
    }
    fs::remove_dir(&parent).expect("empty");
}

#[test]
fn nobody_elses_processes_are_moved_and_a_refusal_changes_nothing() {
    // Ordinary files stand for the kernel's.
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    let control = || fs::read_to_string(folder.path().join("cgroup.subtree_control")).expect("a file");
    file("cgroup.controllers", "cpu memory pids\n");
    file("cgroup.subtree_control", "");
    file("cgroup.type", "domain\n");
    file("cgroup.procs", &format!("{}\n1\n", std::process::id()));
    let refused = delegate::enable(folder.path(), "memory").expect_err("process 1 is not ours");
    assert!(refused.ends_with("holds processes that are not the bridge's (PID 1)"), "{refused}");
    file("cgroup.procs", "0\n");
    assert!(delegate::enable(folder.path(), "memory").is_err(), "a process of another PID namespace");
    assert_eq!(control(), "");
    assert!(!folder.path().join(delegate::LEAF).exists());
    assert!(delegate::enable(folder.path(), "hugetlb").expect_err("no such controller").contains("has no controller"));

    file("cgroup.procs", "");
    assert_eq!(delegate::enable(folder.path(), "memory"), Ok(()));
    assert_eq!(control(), "+memory");
    file("cgroup.subtree_control", "memory\n");
    file("cgroup.procs", "1\n");
    assert_eq!(delegate::enable(folder.path(), "memory"), Ok(()), "it hands down already");
    // The root of a hierarchy has no type, and may hold processes.
    fs::remove_file(folder.path().join("cgroup.type")).expect("removed");
    file("cgroup.subtree_control", "");
    assert_eq!(delegate::enable(folder.path(), "pids"), Ok(()));
    assert_eq!(control(), "+pids");
}
