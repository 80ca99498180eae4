# expect: status=success result=[]
# Docker refuses new namespaces; Podman's own seccomp profile lets a program make some. Nothing may be gained by them.
import ctypes
import os

gained = []
libc = ctypes.CDLL(None, use_errno=True)
USER, MOUNT, PID, NET, IPC, CGROUP = 0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x2000000
BIND, REMOUNT = 4096, 32


def attempt(what, act):
    try:
        result = act()
    except OSError:
        return
    if not isinstance(result, int) or result >= 0:
        gained.append(what)


def write(path, text):
    with open(path, "wb", buffering=0) as file:
        file.write(text)


# Without a user namespace of its own a program gets none of the others.
for flag in (MOUNT, PID, NET, IPC, CGROUP, 0x4000000):
    attempt("unshare %x" % flag, lambda: libc.unshare(flag))

me = os.getuid()
if libc.unshare(USER | MOUNT | NET | IPC | CGROUP) == 0:
    attempt("map root of the host", lambda: write("/proc/self/uid_map", b"0 0 1"))
    attempt("map many", lambda: write("/proc/self/uid_map", b"0 %d 1000" % me))
    try:
        write("/proc/self/uid_map", b"0 %d 1" % me)
    except OSError:
        pass
    attempt("remount / for writing", lambda: libc.mount(None, b"/", None, REMOUNT, None))
    attempt("bind / for writing", lambda: libc.mount(b"/", b"/tmp", None, BIND, None) or libc.mount(
        None, b"/tmp", None, BIND | REMOUNT, None) or write("/tmp/hostile", b"x"))
    libc.umount2(b"/tmp", 2)
    for path in (b"/proc/sys", b"/proc/kcore", b"/proc/keys", b"/sys/firmware", b"/proc/sysrq-trigger"):
        attempt("uncover %r" % path, lambda: libc.umount2(path, 2))
    for kind in (b"ext4", b"xfs", b"nfs", b"debugfs", b"tracefs", b"securityfs", b"devtmpfs", b"fuse"):
        attempt("mount %r" % kind, lambda: libc.mount(b"/dev/sda", b"/tmp", kind, 0, None))
    attempt("device", lambda: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3)))
    attempt("hostname of others", lambda: libc.sethostname(b"mine", 4))
    for controller in ("memory/memory.limit_in_bytes", "pids/pids.max", "memory.max", "pids.max", "cgroup.procs"):
        attempt(controller, lambda: write("/sys/fs/cgroup/" + controller, b"max"))
    for path in ("/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/proc/sys/kernel/modprobe"):
        attempt(path, lambda: write(path, b"1"))
    attempt("memory of PID 1", lambda: os.open("/proc/1/mem", os.O_RDWR))
    attempt("descriptors of PID 1", lambda: os.listdir("/proc/1/fd"))
    attempt("namespaces of PID 1", lambda: libc.setns(os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))
gained
