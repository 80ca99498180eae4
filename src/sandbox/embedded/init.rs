//! Carries out one step: effects without decisions. Runs in the keeper and in the sandbox's PID 1, each a process with a
//! single thread.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
    path_beneath_rules,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::{Pid, chdir, pivot_root, setgroups, sethostname, setresgid, setresuid, setsid};

use super::step::{Namespace, OLD_ROOT, Resource, Step};
use super::sys;

const NO_MOUNT_DATA: Option<&str> = None;
/// `CAP_SYS_ADMIN` of linux/capability.h, as a bit: makes namespaces where ordinary users may not.
const SYS_ADMIN: u64 = 1 << 21;
/// A capability beyond the last one is refused; there are 41 today, and 64 bits to number them.
const CAPABILITIES: u64 = 64;
/// linux/securebits.h: root is nobody special, identities keep nothing, nothing is raised; each with its lock.
pub(super) const SECURE_BITS: u64 = 0b1110_1111;

/// Does what the step says. `keeper`: a pipe whose other end the keeper alone holds.
pub(super) fn carry_out(step: &Step, keeper: BorrowedFd<'_>) -> io::Result<()> {
    match step {
        Step::Write { path, text } => OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes()),
        Step::Enter(list) => enter(list),
        Step::Unshare(names) => Ok(unshare(names.iter().map(|name| flag(*name)).collect())?),
        Step::Private => {
            Ok(mount(NO_MOUNT_DATA, "/", NO_MOUNT_DATA, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NO_MOUNT_DATA)?)
        }
        Step::Pivot { over, bytes, inodes } => pivot(over, *bytes, *inodes),
        Step::Folder { path, mode } => folder(path, *mode),
        Step::File { path, text } => {
            parent(path)?;
            fs::write(path, text)?;
            fs::set_permissions(path, Permissions::from_mode(0o444))
        }
        Step::Link { path, target } => {
            parent(path)?;
            symlink(target, path)
        }
        Step::Bind { source, target, device } => bind(source, target, *device),
        Step::Tmpfs { path, bytes, inodes } => tmpfs(path, *bytes, *inodes, 0o1777),
        Step::Proc => {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            Ok(mount(Some("proc"), "/proc", Some("proc"), flags, Some("subset=pid"))?)
        }
        Step::Forget => {
            umount2(OLD_ROOT, MntFlags::MNT_DETACH)?;
            fs::remove_dir(OLD_ROOT)
        }
        Step::ReadOnly => {
            let root = fs::File::open("/")?;
            sys::set_mount_attributes(root.as_fd(), sys::MOUNT_ATTR_RDONLY | sys::MOUNT_ATTR_NOSUID, false)
        }
        Step::HostName(name) => Ok(sethostname(name)?),
        Step::Session => Ok(setsid().map(drop)?),
        Step::Limit { resource, value } => sys::limit(number(*resource), *value),
        Step::Affinity(processors) => {
            let mut set = CpuSet::new();
            processors.iter().try_for_each(|number| set.set(*number))?;
            Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
        }
        Step::Become { uid, gid } => become_user(*uid, *gid),
        Step::NoCapabilities => no_capabilities(),
        Step::NoNewPrivileges => sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1),
        Step::DieWithKeeper => die_with(keeper),
        Step::Landlock { write, devices } => landlock(write, devices).map_err(io::Error::other),
        Step::Seccomp(filter) => sys::install_filter(filter),
        Step::WorkingFolder(path) => Ok(chdir(path)?),
        Step::Exec { program, arguments, environment, descriptors } => {
            Err(exec(program, arguments, environment, *descriptors))
        }
    }
}

pub(super) fn flag(name: Namespace) -> CloneFlags {
    match name {
        Namespace::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        Namespace::Ipc => CloneFlags::CLONE_NEWIPC,
        Namespace::Mount => CloneFlags::CLONE_NEWNS,
        Namespace::Net => CloneFlags::CLONE_NEWNET,
        Namespace::Pid => CloneFlags::CLONE_NEWPID,
        Namespace::Time => CloneFlags::from_bits_retain(libc::CLONE_NEWTIME),
        Namespace::User => CloneFlags::CLONE_NEWUSER,
        Namespace::Uts => CloneFlags::CLONE_NEWUTS,
    }
}

pub(super) fn number(resource: Resource) -> libc::c_uint {
    match resource {
        Resource::Core => libc::RLIMIT_CORE as _,
        Resource::Data => libc::RLIMIT_DATA as _,
        Resource::FileSize => libc::RLIMIT_FSIZE as _,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK as _,
        Resource::MessageQueues => libc::RLIMIT_MSGQUEUE as _,
        Resource::Nice => libc::RLIMIT_NICE as _,
        Resource::OpenFiles => libc::RLIMIT_NOFILE as _,
        Resource::Processes => libc::RLIMIT_NPROC as _,
        Resource::RealTime => libc::RLIMIT_RTPRIO as _,
        Resource::Signals => libc::RLIMIT_SIGPENDING as _,
    }
}

fn enter(list: &Path) -> io::Result<()> {
    if !fs::read(list)?.is_empty() {
        return Ok(());
    }
    OpenOptions::new().write(true).open(list)?.write_all(b"0")
}

fn pivot(over: &Path, bytes: u64, inodes: u64) -> io::Result<()> {
    tmpfs(over, bytes, inodes, 0o755)?;
    chdir(over)?;
    // OLD_ROOT is absolute in the new root.
    let old = OLD_ROOT.trim_start_matches('/');
    fs::create_dir(old)?;
    pivot_root(".", old)?;
    Ok(chdir("/")?)
}

fn tmpfs(path: &Path, bytes: u64, inodes: u64, mode: u32) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let data = format!("size={bytes},nr_inodes={inodes},mode={mode:o}");
    Ok(mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(data.as_str()))?)
}

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| folder(parent, 0o755))
}

/// Makes a folder and those above it; one that is there stays as it is.
fn folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    parent(path)?;
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The copy of a mount is changed before anybody can see it.
fn bind(source: &Path, target: &Path, device: bool) -> io::Result<()> {
    let source = below(source);
    if fs::metadata(&source)?.is_dir() {
        folder(target, 0o755)?;
    } else {
        parent(target)?;
        if !target.exists() {
            fs::File::create(target)?;
        }
    }
    let copy = sys::open_tree(&source)?;
    let last = if device { sys::MOUNT_ATTR_NOEXEC } else { sys::MOUNT_ATTR_NODEV };
    sys::set_mount_attributes(copy.as_fd(), sys::MOUNT_ATTR_RDONLY | sys::MOUNT_ATTR_NOSUID | last, true)?;
    sys::move_mount(copy.as_fd(), target)
}

/// Where a path of the host is after the pivot.
fn below(source: &Path) -> PathBuf {
    Path::new(OLD_ROOT).join(source.strip_prefix("/").unwrap_or(source))
}

/// Another user, with one capability left: a system may allow user namespaces to root only.
fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    setgroups(&[])?;
    setresgid(gid.into(), gid.into(), gid.into())?;
    sys::prctl(libc::PR_SET_KEEPCAPS, 1)?;
    setresuid(uid.into(), uid.into(), uid.into())?;
    sys::set_capabilities(SYS_ADMIN)?;
    // A change of user makes a process undumpable, and its files in /proc root's: the id maps among them.
    sys::prctl(libc::PR_SET_DUMPABLE, 1)
}

fn no_capabilities() -> io::Result<()> {
    for capability in 0..CAPABILITIES {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    sys::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS)?;
    sys::set_capabilities(0)
}

/// The keeper may have ended before the kernel was asked; then nobody holds the other end of its pipe.
fn die_with(keeper: BorrowedFd<'_>) -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as _)?;
    let mut look = [PollFd::new(keeper, PollFlags::empty())];
    poll(&mut look, PollTimeout::ZERO)?;
    let gone = look[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP));
    if gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
}

/// The walls are the namespaces; this is a second one behind them, so a kernel without it, or with less of it, is fine.
fn landlock(write: &[PathBuf], devices: &[PathBuf]) -> Result<(), landlock::RulesetError> {
    // The newest set of rules the library knows; what the kernel lacks is left out.
    let newest = ABI::V6;
    let all = AccessFs::from_all(newest);
    let read = AccessFs::from_read(newest);
    let file = AccessFs::ReadFile | AccessFs::WriteFile;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .add_rules(path_beneath_rules(["/"], read))?
        .add_rules(path_beneath_rules(write, all))?
        .add_rules(path_beneath_rules(devices, file))?
        .restrict_self()
        .map(drop)
}

fn exec(program: &Path, arguments: &[String], environment: &[(String, String)], descriptors: u32) -> io::Error {
    // What it is to have is in its place by now.
    if let Err(error) = sys::close_from_on_exec(descriptors) {
        return error;
    }
    let mut command = Command::new(program);
    if let Some((name, rest)) = arguments.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value))).exec()
}
