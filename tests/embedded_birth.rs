//! PID 1 of the embedded sandbox is born in its control group of version 2, and need not be moved there; so is a forked one, where
//! the kernel lets its parent.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mcp_bridge::sandbox::embedded::cgroup::{self, Group, Version};
use mcp_bridge::sandbox::embedded::step::{Plan, Step, Word};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::json;

/// A folder of version 2 in which groups can be made; said aloud where there is none.
fn place() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let second = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let places = second.filter(|words| words.get(2) == Some(&"cgroup2")).filter_map(|words| words.get(1).copied());
    let usable = |place: &&str| {
        let tried = Path::new(place).join(cgroup::name("trial"));
        fs::create_dir(&tried).and_then(|()| fs::remove_dir(&tried)).is_ok()
    };
    let found = places.map(str::to_owned).find(|place| usable(&place.as_str())).map(PathBuf::from);
    if found.is_none() {
        writeln!(std::io::stderr(), "skipped: no group of version 2 can be made here").expect("stderr");
    }
    found
}

fn hear(keeper: &mut BufReader<UnixStream>) -> Word {
    let mut line = String::new();
    keeper.read_line(&mut line).expect("a line");
    serde_json::from_str(&line).expect("a word")
}

/// A keeper of this kind, and the bridge's end of its socket.
fn keeper(kind: &str) -> (BufReader<UnixStream>, Child) {
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
    keeper.args([kind, "birth"]).stdin(Stdio::from(OwnedFd::from(theirs)));
    (BufReader::new(ours), keeper.spawn().expect("a keeper"))
}

fn tell(mut keeper: &UnixStream, message: &impl serde::Serialize, descriptors: &[i32]) {
    let text = serde_json::to_vec(message).expect("text");
    let length = (text.len() as u32).to_be_bytes();
    let rights = [ControlMessage::ScmRights(descriptors)];
    sendmsg::<()>(keeper.as_raw_fd(), &[IoSlice::new(&length)], &rights, MsgFlags::empty(), None).expect("sent");
    keeper.write_all(&text).expect("sent");
}

#[test]
fn it_is_in_its_group_without_having_entered() {
    let Some(place) = place() else { return };
    let folder = place.join(cgroup::name("birth"));
    let procs = folder.join("cgroup.procs");
    let version = Version::V2;
    let group = Group { folder: folder.clone(), limits: vec![], version, procs: procs.clone(), counters: vec![] };
    // Waits for the end of its input. No step enters the group.
    let program =
        Step::Exec { program: "/bin/cat".into(), arguments: vec!["cat".into()], environment: vec![], descriptors: 3 };
    let plan = Plan { groups: vec![group], keeper: vec![], init: vec![program], watch: None };

    let (mut words, mut keeper) = keeper("__sandbox");
    let (inside, input) = std::io::pipe().expect("a pipe");
    let null = fs::File::create("/dev/null").expect("null");
    tell(words.get_ref(), &plan, &[inside.as_raw_fd(), null.as_raw_fd(), null.as_raw_fd()]);
    drop((inside, null));

    assert!(matches!(hear(&mut words), Word::Started { .. }));
    let members = fs::read_to_string(&procs).expect("the group");
    drop(input);
    assert!(matches!(hear(&mut words), Word::Ended(last) if last.exit_code == Some(0) && last.left.is_empty()));
    assert!(keeper.wait().expect("ended").success());
    assert_eq!(members.lines().count(), 1, "{members:?}");
    assert_ne!(members.trim(), keeper.id().to_string(), "the keeper itself stays outside");
    assert!(!folder.exists());
}

/// A nursery without walls: its children tell the group that they are in, and how many processes the parent may still fork.
fn born_of_a_parent(user: Option<u32>) -> Option<(String, String)> {
    let place = place()?;
    let folder = place.join(cgroup::name("born"));
    let procs = folder.join("cgroup.procs");
    let group =
        Group { folder: folder.clone(), limits: vec![], version: Version::V2, procs: procs.clone(), counters: vec![] };
    let sources = json!({
        "mcp_bridge_guest": "",
        "mcp_bridge_guest.nursery": include_str!("../runtime-py/mcp_bridge_guest/nursery.py"),
        "mcp_bridge_guest.worker": "def import_asyncio(): pass",
        "mcp_bridge_guest.split": "import os
def main(modules, compiled):
    os.write(1, open('/proc/self/cgroup', 'rb').read())
    os.read(0, 1)
    os._exit(0)",
    });
    let text = format!("SOURCES = {sources}\n{}", include_str!("../runtime-py/mcp_bridge_guest/boot.py"));
    let loader = include_str!("../runtime-py/mcp_bridge_guest/loader.py");
    let arguments = ["python3", "-I", "-c", loader, "nursery"].map(String::from).into();
    let program = "/usr/bin/python3".into();
    let nobody = user.map(|user| Step::Become { uid: user, gid: user });
    let exec = Step::Exec { program, arguments, environment: vec![], descriptors: 4 };
    let parent = Plan { groups: vec![], keeper: vec![], init: nobody.into_iter().chain([exec]).collect(), watch: None };
    let (number, all) = (nix::libc::SYS_close_range, json!([4, u32::MAX, 0]));
    let close = json!({"what": "close the rest", "number": number, "arguments": all, "result": 0});
    let child = json!({"clone": nix::libc::SYS_clone, "clone3": nix::libc::SYS_clone3, "flags": 0, "calls": [close]});

    let (mut words, mut keeper) = keeper("__nursery");
    let (inside, mut input) = std::io::pipe().expect("a pipe");
    tell(words.get_ref(), &json!({"parent": parent, "child": child}), &[inside.as_raw_fd()]);
    input
        .write_all(&(text.len() as u32).to_be_bytes())
        .and_then(|()| input.write_all(text.as_bytes()))
        .expect("booted");
    assert!(matches!(hear(&mut words), Word::Started { .. }));

    let (ours, theirs) = UnixStream::pair().expect("sockets");
    let (inside, input) = std::io::pipe().expect("a pipe");
    let (mut said, program) = std::io::pipe().expect("a pipe");
    let null = fs::File::create("/dev/null").expect("null");
    let pipes = [inside.as_raw_fd(), program.as_raw_fd(), null.as_raw_fd(), theirs.as_raw_fd()];
    tell(words.get_ref(), &json!({"groups": [group], "calls": [], "watch": null}), &pipes);
    drop((inside, program, null, theirs));
    let mut child = BufReader::new(ours);
    assert!(matches!(hear(&mut child), Word::Started { .. }));
    let members = fs::read_to_string(&procs).expect("the group");
    drop(input);
    let mut told = String::new();
    said.read_to_string(&mut told).expect("said");
    assert!(matches!(hear(&mut child), Word::Ended(last) if last.exit_code == Some(0) && last.left.is_empty()));
    assert!(!folder.exists());
    drop(words);
    assert!(keeper.wait().expect("ended").success());
    assert_eq!(members.lines().count(), 1, "{members:?}");
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    Some((name, told))
}

#[test]
fn a_child_is_in_its_group_however_it_came_there() {
    // Root's parent may have its children born there; a parent that is nobody has them enter by an open list.
    for user in [None, Some(4242)] {
        let Some((group, told)) = born_of_a_parent(user) else { return };
        assert!(told.lines().any(|line| line.starts_with("0::") && line.ends_with(&group)), "{told}");
    }
}
