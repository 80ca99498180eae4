//! The steps that make a sandbox: plain data, computed by `plan`, carried out one after another by `keeper` and `init`.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cgroup::Group;
use super::seccomp::Filter;

/// All that a keeper is told. What is needed later than the fork is in `init`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Made before anything runs, removed after everything has ended.
    pub groups: Vec<Group>,
    /// Carried out by the keeper, before it forks.
    pub keeper: Vec<Step>,
    /// Carried out by the sandbox's PID 1; the last one is [`Step::Exec`].
    pub init: Vec<Step>,
    /// Whether the keeper watches the memory of all processes together; `None` where a control group holds it.
    pub watch: Option<Watch>,
}

/// Where no control group holds the memory of all processes together, the keeper looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Bytes above which the sandbox is ended.
    pub limit: u64,
    /// The machine has swap: what was written out counts too.
    pub swap: bool,
    /// File systems of the sandbox that are memory as well.
    pub folders: Vec<PathBuf>,
}

/// One step. Paths of [`Step::Bind`] sources are the host's; after [`Step::Pivot`] they are found below [`OLD_ROOT`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Writes into a file that the kernel made.
    Write {
        path: PathBuf,
        text: String,
    },
    /// Into a control group, by the file that lists who is in it. The group is new: where anybody is in it, this process was
    /// born there.
    Enter(PathBuf),
    /// Leaves these namespaces for new ones; `Pid` and `Time` take effect for the next child.
    Unshare(Vec<Namespace>),
    /// Mounts made from now on are not seen by the host, nor the host's by us.
    Private,
    /// A new tmpfs becomes the root, the old root lies in [`OLD_ROOT`]. `over`: any folder of the host, for a moment.
    Pivot {
        over: PathBuf,
        bytes: u64,
        inodes: u64,
    },
    Folder {
        path: PathBuf,
        mode: u32,
    },
    /// A small file, readable by everybody.
    File {
        path: PathBuf,
        text: String,
    },
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    /// A folder or file of the host, with everything mounted below it, read-only.
    Bind {
        source: PathBuf,
        target: PathBuf,
        device: bool,
    },
    /// Memory as a file system: writable, nothing on it is executed.
    Tmpfs {
        path: PathBuf,
        bytes: u64,
        inodes: u64,
    },
    /// Only processes of the own PID namespace, and nothing but processes.
    Proc,
    /// The old root is let go.
    Forget,
    /// The root itself cannot be written any more.
    ReadOnly,
    HostName(String),
    /// No controlling terminal.
    Session,
    /// Soft and hard limit; a hard limit that is lower already stays.
    Limit {
        resource: Resource,
        value: u64,
    },
    /// Runs on these processors only.
    Affinity(Vec<usize>),
    /// Root becomes this user of the host, keeping for the moment what it needs to make a user namespace.
    Become {
        uid: u32,
        gid: u32,
    },
    /// Empties every capability set and locks the door to them.
    NoCapabilities,
    NoNewPrivileges,
    /// The kernel ends this process when the keeper ends.
    DieWithKeeper,
    /// Landlock, as far as the kernel has it.
    Landlock {
        write: Vec<PathBuf>,
        devices: Vec<PathBuf>,
    },
    Seccomp(Filter),
    WorkingFolder(PathBuf),
    /// Becomes the program, which has the first so many `descriptors`; every other one is closed.
    Exec {
        program: PathBuf,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        descriptors: u32,
    },
}

/// Where the host's root lies between [`Step::Pivot`] and [`Step::Forget`].
pub const OLD_ROOT: &str = "/.old";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    Cgroup,
    Ipc,
    Mount,
    Net,
    Pid,
    Time,
    User,
    Uts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Core,
    Data,
    FileSize,
    LockedMemory,
    MessageQueues,
    Nice,
    OpenFiles,
    Processes,
    RealTime,
    Signals,
}

/// What a step does, for the error when it fails. Never shows an environment or a program's text.
impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, .. } => write!(out, "write {}", path.display()),
            Self::Enter(list) => write!(out, "enter {}", list.display()),
            Self::Unshare(names) => write!(out, "unshare {names:?}"),
            Self::Private => out.write_str("make mounts private"),
            Self::Pivot { .. } => out.write_str("pivot"),
            Self::Folder { path, .. } => write!(out, "folder {}", path.display()),
            Self::File { path, .. } => write!(out, "file {}", path.display()),
            Self::Link { path, .. } => write!(out, "link {}", path.display()),
            Self::Bind { source, .. } => write!(out, "bind {}", source.display()),
            Self::Tmpfs { path, .. } => write!(out, "tmpfs {}", path.display()),
            Self::Proc => out.write_str("mount /proc"),
            Self::Forget => out.write_str("let go of the old root"),
            Self::ReadOnly => out.write_str("make the root read-only"),
            Self::HostName(_) => out.write_str("set the host name"),
            Self::Session => out.write_str("new session"),
            Self::Limit { resource, value } => write!(out, "limit {resource:?} to {value}"),
            Self::Affinity(_) => out.write_str("choose processors"),
            Self::Become { uid, .. } => write!(out, "become user {uid}"),
            Self::NoCapabilities => out.write_str("drop capabilities"),
            Self::NoNewPrivileges => out.write_str("no new privileges"),
            Self::DieWithKeeper => out.write_str("die with the keeper"),
            Self::Landlock { .. } => out.write_str("landlock"),
            Self::Seccomp(_) => out.write_str("seccomp"),
            Self::WorkingFolder(path) => write!(out, "working folder {}", path.display()),
            Self::Exec { program, .. } => write!(out, "exec {}", program.display()),
        }
    }
}

/// What the keeper tells the bridge: one line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// PID 1 is the program now; its number on the host, where it is known by now.
    Started { init: Option<u32> },
    /// A step failed; nothing is left. `errno` is 0 where it was no system call that failed.
    Failed { step: String, errno: i32, reason: String },
    /// Everything has ended and is taken away.
    Ended(Last),
}

/// How a sandbox ended, as far as the keeper knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// PID 1's exit code, 128 + signal for a signal; `None` when the keeper ended it.
    pub exit_code: Option<i32>,
    /// Processes that the kernel, or the keeper's watch, ended for memory.
    pub memory_kills: u64,
    /// What could not be removed.
    pub left: Vec<String>,
}
