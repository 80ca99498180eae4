//! From a spec to a plan: pure. The order of the steps is the design of this sandbox; each has its reason beside it.

use std::path::PathBuf;

use super::cgroup::Group;
use super::root::{Bind, Link, OWN, Root};
use super::seccomp::Filter;
use super::step::{Namespace, Plan, Resource, Step, Watch};
use crate::sandbox::{SandboxError, SandboxSpec};

/// What of the host a plan depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// May make namespaces and become other users without a user namespace: root with its capabilities.
    pub privileged: bool,
    pub uid: u32,
    pub gid: u32,
    /// The user of the host that a privileged bridge's sandbox becomes; nobody else's, and not the one of another sandbox.
    pub sandbox_id: u32,
    /// The kernel has time namespaces; whole seconds since its boot, which the sandbox does not see.
    pub uptime: Option<u64>,
    /// Processors that hold the limit where no cgroup does.
    pub affinity: Option<Vec<usize>>,
    /// Groups that hold memory and processes; empty where there are none.
    pub groups: Vec<Group>,
    /// No cgroup holds memory: per process a limit does, and the keeper watches the sum.
    pub watch_memory: bool,
    /// The machine has swap, which the watch counts too.
    pub swap: bool,
}

/// Bytes and entries of the tmpfs that is the root: folders, links and small files, a few pages.
const ROOT: (u64, u64) = (1 << 20, 1024);
/// Bytes of `/dev/shm`: what containers have.
const SHARED_MEMORY: u64 = 64 << 20;
/// A file or folder for every so many bytes of a tmpfs: a program's files are rarely smaller, and each costs about a kilobyte of
/// the kernel's own memory.
const BYTES_PER_INODE: u64 = 4096;
/// Beneath the cgroup's limit of processes lies the kernel's own for a user, a little above, so that it is the cgroup that
/// counts the refusals.
const SPARE_PROCESSES: u64 = 16;
/// Signals that may be queued for the sandbox: as many as asyncio and multiprocessing could use ten times over.
const QUEUED_SIGNALS: u64 = 1024;
/// Where programs may write.
const WRITABLE: [&str; 3] = ["/tmp", "/workspace", "/dev/shm"];
/// Devices that hold nothing and reach nothing.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const PASSWD: &str = "root:x:0:0:root:/workspace:/sbin/nologin\nnobody:x:65534:65534:nobody:/workspace:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// The sandbox's input, the program's output, the supervisor's.
const PIPES: u32 = 3;
/// Where a folder of the host is covered for the moment of the pivot. It exists on every Linux, and nothing of it is needed then.
const ANY_FOLDER: &str = "/dev";

/// The whole plan of one sandbox.
///
/// # Errors
/// [`SandboxError::Refused`] when the user of the limits is not two numbers: this sandbox has no user names.
pub fn plan(spec: &SandboxSpec, root: &Root, facts: &Facts, filter: &Filter) -> Result<Plan, SandboxError> {
    let (uid, gid) = ids(&spec.limits.user)?;
    let mut keeper = Vec::new();
    let mut children = vec![Namespace::Pid];
    children.extend(facts.uptime.map(|_| Namespace::Time));
    if facts.privileged {
        keeper.push(Step::Unshare(children));
    } else {
        // An ordinary user may do the rest only inside a user namespace of its own.
        keeper.push(Step::Unshare([vec![Namespace::User], children].concat()));
        keeper.extend(identity((uid, gid), (facts.uid, facts.gid)));
    }
    if let Some(uptime) = facts.uptime {
        // The clocks of the sandbox begin with it: how long the host has been up is nobody's business.
        let text = format!("monotonic -{uptime} 0\nboottime -{uptime} 0\n");
        keeper.push(Step::Write { path: "/proc/self/timens_offsets".into(), text });
    }
    let mut init = Vec::new();
    // Before the cgroup namespace, so that its root is the sandbox's own group.
    init.extend(facts.groups.iter().map(|group| Step::Enter(group.procs.clone())));
    init.push(Step::Unshare(vec![Namespace::Mount, Namespace::Net, Namespace::Ipc, Namespace::Uts, Namespace::Cgroup]));
    init.extend(file_systems(spec, root, facts));
    init.push(Step::HostName("sandbox".into()));
    init.push(Step::Session);
    init.extend(limits(spec, facts));
    if facts.privileged {
        // The mounts are made by root, which may read every folder; what runs in them is nobody, in a namespace that owns nothing.
        init.push(Step::Become { uid: facts.sandbox_id, gid: facts.sandbox_id });
        init.push(Step::Unshare(vec![Namespace::User]));
        init.extend(identity((uid, gid), (facts.sandbox_id, facts.sandbox_id)));
    }
    init.push(Step::NoCapabilities);
    // After every change of user, which would take it away.
    init.push(Step::DieWithKeeper);
    init.push(Step::NoNewPrivileges);
    init.push(Step::WorkingFolder("/workspace".into()));
    let devices = devices(facts).map(|name| format!("/dev/{name}").into()).collect();
    // `/proc` holds nothing but the sandbox's own processes; the guest chooses there who dies first of memory.
    let write = WRITABLE.iter().chain(&["/proc"]).map(PathBuf::from).collect();
    init.push(Step::Landlock { write, devices });
    init.push(Step::Seccomp(filter.clone()));
    init.push(exec(spec, root));
    let watch = facts.watch_memory.then(|| Watch {
        limit: spec.limits.memory,
        swap: facts.swap,
        folders: WRITABLE.map(PathBuf::from).into(),
    });
    Ok(Plan { groups: facts.groups.clone(), keeper, init, watch })
}

pub(super) fn ids(user: &str) -> Result<(u32, u32), SandboxError> {
    let parsed = user.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    parsed.ok_or_else(|| SandboxError::Refused {
        step: "choosing the user",
        reason: format!(
            "MCP_BRIDGE_CONTAINER_USER is `{user}`, where this sandbox needs two numbers, e.g. 65534:65534"
        ),
    })
}

/// One user and one group exist in the namespace, by these numbers inside and outside. Giving up `setgroups` is the kernel's
/// condition (user_namespaces(7)).
pub(super) fn identity(inside: (u32, u32), outside: (u32, u32)) -> [Step; 3] {
    let write = |file: &str, text: String| Step::Write { path: format!("/proc/self/{file}").into(), text };
    [
        write("setgroups", "deny".into()),
        write("gid_map", format!("{} {} 1\n", inside.1, outside.1)),
        write("uid_map", format!("{} {} 1\n", inside.0, outside.0)),
    ]
}

/// `/dev/zero`, mapped and shared, is memory that no process's own count has: it is there only where a control group counts.
fn devices(facts: &Facts) -> impl Iterator<Item = &'static str> {
    DEVICES.into_iter().filter(|name| *name != "zero" || !facts.watch_memory)
}

fn file_systems(spec: &SandboxSpec, root: &Root, facts: &Facts) -> Vec<Step> {
    let (bytes, inodes) = ROOT;
    let mut steps = vec![Step::Private, Step::Pivot { over: ANY_FOLDER.into(), bytes, inodes }];
    steps.extend(root.binds.iter().map(|Bind { source, target }| Step::Bind {
        source: source.clone(),
        target: target.clone(),
        device: false,
    }));
    steps.extend(
        root.links.iter().map(|Link { path, target }| Step::Link { path: path.clone(), target: target.clone() }),
    );
    if !root.binds.iter().any(|bind| bind.target.as_os_str() == "/etc") {
        for (path, text) in [("/etc/passwd", PASSWD), ("/etc/group", GROUP), ("/etc/hosts", HOSTS)] {
            if !root.binds.iter().any(|bind| bind.target.as_os_str() == path) {
                steps.push(Step::File { path: path.into(), text: text.into() });
            }
        }
    }
    for path in OWN {
        // Within a folder of the root it cannot be made, and need not be.
        if !root.binds.iter().any(|bind| std::path::Path::new(path).starts_with(&bind.target)) {
            steps.push(Step::Folder { path: path.into(), mode: 0o755 });
        }
    }
    steps.push(Step::Proc);
    for name in devices(facts) {
        let path = PathBuf::from("/dev").join(name);
        steps.push(Step::Bind { source: path.clone(), target: path, device: true });
    }
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    steps.extend(
        links.map(|(name, target)| Step::Link { path: PathBuf::from("/dev").join(name), target: target.into() }),
    );
    steps.push(Step::Folder { path: "/dev/shm".into(), mode: 0o755 });
    for (path, bytes) in WRITABLE.iter().zip([spec.limits.tmp, spec.limits.workspace, SHARED_MEMORY]) {
        // The first inode is the folder itself.
        steps.push(Step::Tmpfs { path: path.into(), bytes, inodes: 1 + bytes.div_ceil(BYTES_PER_INODE) });
    }
    steps.extend([Step::Forget, Step::ReadOnly]);
    steps
}

fn limits(spec: &SandboxSpec, facts: &Facts) -> Vec<Step> {
    let limits = &spec.limits;
    let grouped = !facts.groups.is_empty();
    let processes = u64::from(limits.pids) + if grouped { SPARE_PROCESSES } else { 0 };
    let mut steps = Vec::new();
    let mut limit = |resource, value| steps.push(Step::Limit { resource, value });
    limit(Resource::OpenFiles, limits.open_files);
    limit(Resource::Processes, processes);
    // No file is larger than all that holds files, so that a full disk says so first; this also stops what is no file of a tmpfs.
    limit(Resource::FileSize, limits.tmp.saturating_add(limits.workspace).saturating_add(SHARED_MEMORY));
    // No core dump, not even into a pipe of the host's, which a limit of 0 does not stop (core(5)).
    limit(Resource::Core, 1);
    limit(Resource::LockedMemory, 0);
    limit(Resource::MessageQueues, 0);
    limit(Resource::Nice, 0);
    limit(Resource::RealTime, 0);
    limit(Resource::Signals, QUEUED_SIGNALS);
    if facts.watch_memory {
        limit(Resource::Data, limits.memory);
    }
    steps.extend(facts.affinity.clone().map(Step::Affinity));
    steps
}

/// The run's own environment wins over what the root's maker set.
fn exec(spec: &SandboxSpec, root: &Root) -> Step {
    let mut environment = root.env.clone();
    environment.retain(|(name, _)| !spec.env.iter().any(|(own, _)| own == name));
    environment.extend(spec.env.iter().cloned());
    let mut arguments = spec.command.clone();
    let program = match arguments.first_mut() {
        Some(first) if first == "python3" => {
            // Python finds its library by the name it was called by.
            *first = root.python.to_string_lossy().into_owned();
            root.python.clone()
        }
        Some(first) => PathBuf::from(&*first),
        None => root.python.clone(),
    };
    Step::Exec { program, arguments, environment, descriptors: PIPES }
}
