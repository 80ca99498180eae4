//! System calls that no library wraps safely, and all the unsafe code of this sandbox. Every function is a thin cover of one
//! call or two, for a process with a single thread.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{c_int, c_long, c_uint, c_ulong};

use super::seccomp::{Filter, Instruction};

/// `linux/mount.h`: what the libc crate does not have yet.
const OPEN_TREE_CLONE: c_uint = 1;
const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 4;
/// `linux/sched.h`: beyond the 32 bits of the libc crate's flags.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
pub(super) const MOUNT_ATTR_RDONLY: u64 = 1;
pub(super) const MOUNT_ATTR_NOSUID: u64 = 2;
pub(super) const MOUNT_ATTR_NODEV: u64 = 4;
pub(super) const MOUNT_ATTR_NOEXEC: u64 = 8;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Which side of a fork this is.
pub(super) enum Forked {
    Parent { child: i32 },
    Child,
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Forks. The child is born in the version 2 group of the folder `group`, if there is one and the kernel lets us; else here.
pub(super) fn fork(group: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    // SAFETY: the keeper has one thread, so the child may do whatever a fresh process may.
    let born = || unsafe { libc::fork() };
    match group.and_then(born_in).unwrap_or_else(born) {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent { child }),
    }
}

/// A fork into a group; `None` when the kernel refuses, or who filters its calls.
fn born_in(group: BorrowedFd<'_>) -> Option<i32> {
    // SAFETY: a struct of numbers, of which zero is the neutral value of each.
    let mut wanted = unsafe { std::mem::zeroed::<libc::clone_args>() };
    wanted.flags = CLONE_INTO_CGROUP;
    wanted.exit_signal = libc::SIGCHLD as u64;
    wanted.cgroup = group.as_raw_fd() as u64;
    // SAFETY: neither stack nor memory is shared, so this is fork(2) without the C library's hooks, of which a process with one
    // thread needs none. The struct lives until the call returns, and its size is told.
    let forked = unsafe { libc::syscall(libc::SYS_clone3, &wanted, std::mem::size_of::<libc::clone_args>()) };
    i32::try_from(forked).ok().filter(|child| *child >= 0)
}

/// Descriptors that came with a message, each the receiver's own from now on.
pub(super) fn adopt(raw: &[RawFd]) -> Vec<OwnedFd> {
    // SAFETY: called with what SCM_RIGHTS has just made for this process; nobody else knows these numbers.
    raw.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect()
}

/// A descriptor by which the end of a child can be waited for.
pub(super) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the descriptor that comes back is new.
    unsafe { check(libc::syscall(libc::SYS_pidfd_open, pid, 0)).map(|fd| OwnedFd::from_raw_fd(fd as RawFd)) }
}

/// Ends the process that a descriptor of [`pidfd`]'s kind stands for; one that has ended is ended.
pub(super) fn kill(process: BorrowedFd<'_>) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no memory is passed.
    let sent =
        unsafe { check(libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), libc::SIGKILL, none, 0)) };
    match sent {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// Makes `fd` be descriptor `number`, which is closed first; not closed by exec.
pub(super) fn place(fd: OwnedFd, number: RawFd) -> io::Result<()> {
    // SAFETY: plain numbers. Where both are the same, dup2 does nothing and the flag is taken away by hand.
    unsafe {
        let raw = fd.into_raw_fd();
        if raw == number {
            check(libc::fcntl(raw, libc::F_SETFD, 0).into())?;
        } else {
            check(libc::dup2(raw, number).into())?;
        }
    }
    Ok(())
}

/// Every descriptor from `first` on is closed by exec.
pub(super) fn close_from_on_exec(first: c_uint) -> io::Result<()> {
    // SAFETY: no memory is passed; marking closes nothing now.
    unsafe { check(libc::syscall(libc::SYS_close_range, first, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)) }.map(drop)
}

/// Every signal does what it does by default, and none is blocked: whatever this process inherited.
pub(super) fn default_signals() {
    // SAFETY: SIG_DFL needs no handler; numbers that cannot be set (SIGKILL, SIGSTOP, libc's own) are refused, which is fine.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// Applies a filter of system calls to this process and all that come from it; `no_new_privs` must be set.
pub(super) fn install_filter(filter: &Filter) -> io::Result<()> {
    let instruction = |one: &Instruction| libc::sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k };
    let mut program: Vec<libc::sock_filter> = filter.0.iter().map(instruction).collect();
    let length = program.len().try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until the call returns and is as long as it says.
    unsafe { check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program).into()) }.map(drop)
}

/// One `prctl(2)` of numbers.
pub(super) fn prctl(option: c_int, value: c_ulong) -> io::Result<()> {
    // SAFETY: only options that take numbers are passed by the callers in this folder.
    unsafe { check(libc::prctl(option, value, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong).into()) }.map(drop)
}

/// Sets a limit, soft and hard, to `value` or to the hard limit there is, whichever is lower.
pub(super) fn limit(resource: c_uint, value: u64) -> io::Result<()> {
    // SAFETY: the struct lives on this stack for both calls. The kernel's own call, because libc's type for `resource` differs.
    unsafe {
        let mut now = std::mem::zeroed::<libc::rlimit64>();
        check(libc::syscall(libc::SYS_prlimit64, 0, resource, std::ptr::null::<libc::rlimit64>(), &mut now))?;
        let value = value.min(now.rlim_max);
        let wanted = libc::rlimit64 { rlim_cur: value, rlim_max: value };
        check(libc::syscall(libc::SYS_prlimit64, 0, resource, &wanted, std::ptr::null_mut::<libc::rlimit64>()))?;
    }
    Ok(())
}

/// Makes these capabilities (a bit each) permitted and effective, and no other.
pub(super) fn set_capabilities(permitted: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // _LINUX_CAPABILITY_VERSION_3 of linux/capability.h: two words of 32 bits.
    let header = Header { version: 0x2008_0522, pid: 0 };
    let half = |bits: u64| Set { effective: bits as u32, permitted: bits as u32, inheritable: 0 };
    let sets = [half(permitted), half(permitted >> 32)];
    // SAFETY: both structs have the layout that capset(2) wants and live until it returns.
    unsafe { check(libc::syscall(libc::SYS_capset, &header, sets.as_ptr())) }.map(drop)
}

/// The folder or file at `path` with all that is mounted below it, as a mount of our own that is not attached yet.
pub(super) fn open_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = text(path)?;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as c_uint | libc::AT_RECURSIVE as c_uint;
    // SAFETY: the string lives until the call returns; the descriptor that comes back is new.
    unsafe {
        check(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags))
            .map(|fd| OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Sets attributes of mounts (`MOUNT_ATTR_*`): of one, or of all below it too.
pub(super) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> io::Result<()> {
    let attributes = MountAttributes { set: attributes, clear: 0, propagation: 0, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let size = std::mem::size_of::<MountAttributes>();
    // SAFETY: the path is a constant, the struct lives until the call returns, and its size is told.
    unsafe {
        check(libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags as c_uint,
            &attributes,
            size,
        ))
    }
    .map(drop)
}

/// Attaches a mount made by [`open_tree`] at `target`, which exists.
pub(super) fn move_mount(mount: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let target = text(target)?;
    let flags = MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: both strings live until the call returns.
    unsafe {
        check(libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            flags,
        ))
    }
    .map(drop)
}
