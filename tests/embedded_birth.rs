//! PID 1 of the embedded sandbox is born in its control group of version 2, and need not be moved there.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcp_bridge::sandbox::embedded::cgroup::{self, Group, Version};
use mcp_bridge::sandbox::embedded::step::{Plan, Step, Word};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

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
    let text = serde_json::to_vec(&plan).expect("text");

    let (ours, theirs) = UnixStream::pair().expect("sockets");
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
    keeper.args(["__sandbox", "birth"]).stdin(Stdio::from(OwnedFd::from(theirs)));
    let mut keeper = keeper.spawn().expect("a keeper");
    let (inside, input) = std::io::pipe().expect("a pipe");
    let null = fs::File::create("/dev/null").expect("null");
    let length = (text.len() as u32).to_be_bytes();
    let pipes = [inside.as_raw_fd(), null.as_raw_fd(), null.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&pipes)];
    sendmsg::<()>(ours.as_raw_fd(), &[IoSlice::new(&length)], &rights, MsgFlags::empty(), None).expect("sent");
    (&ours).write_all(&text).expect("sent");
    drop((inside, null));

    let mut words = BufReader::new(ours);
    assert_eq!(hear(&mut words), Word::Started);
    let members = fs::read_to_string(&procs).expect("the group");
    drop(input);
    assert!(matches!(hear(&mut words), Word::Ended(last) if last.exit_code == Some(0) && last.left.is_empty()));
    assert!(keeper.wait().expect("ended").success());
    assert_eq!(members.lines().count(), 1, "{members:?}");
    assert_ne!(members.trim(), keeper.id().to_string(), "the keeper itself stays outside");
    assert!(!folder.exists());
}
