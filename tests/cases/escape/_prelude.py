# Put in front of every program of this folder: the kernel's own door, what the host holds, and a list of what was reached.
import ctypes
import errno
import os
import platform
import struct
import sys

host = await mcp_stub.host()
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
CPU = {"x86_64": 0, "aarch64": 1}[platform.machine()]
NUMBERS = {
    "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "capset": (126, 91), "chroot": (161, 51),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435),
    "delete_module": (176, 106), "fanotify_init": (300, 262), "finit_module": (313, 273), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433), "get_robust_list": (274, 100),
    "init_module": (175, 105), "io_uring_setup": (425, 425), "ioprio_set": (251, 30), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219), "listmount": (458, 458),
    "lookup_dcookie": (212, 18), "memfd_secret": (447, 447), "migrate_pages": (256, 238), "mount": (165, 40),
    "mount_setattr": (442, 442), "move_mount": (429, 429), "move_pages": (279, 239), "mq_open": (240, 180),
    "msgget": (68, 186), "msgsnd": (69, 189), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "openat2": (437, 437), "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pivot_root": (155, 41), "prctl": (157, 167),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "renameat2": (316, 276), "request_key": (249, 218), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "sched_setattr": (314, 274), "seccomp": (317, 277), "semget": (64, 190), "setns": (308, 268),
    "settimeofday": (164, 170), "shmat": (30, 196), "shmdt": (67, 197), "shmget": (29, 194), "statmount": (457, 457),
    "syslog": (103, 116), "tgkill": (234, 131), "timer_create": (222, 107), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "vhangup": (153, 58),
}
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET, NEWTIME = 0x10000000, 0x20000000, 0x40000000, 0x80
# What a shut door says: not permitted, not there, read-only, not for you.
SHUT = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EROFS, errno.ESRCH}
reached = []


def syscall(name, *args):
    """A system call by its name; integers are passed as words. Raises OSError."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in args]
    result = libc.syscall(ctypes.c_long(NUMBERS[name][CPU]), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def attempt(what, act):
    """Whatever does not raise OSError has reached something."""
    try:
        act()
    except OSError:
        return False
    reached.append(what)
    return True


def knock(what, act):
    """For calls that would do harm if they worked: arguments nobody can want, so that only a shut door says "not permitted"."""
    try:
        act()
    except OSError as error:
        if error.errno in SHUT:
            return
    reached.append(what)


def write(path, data):
    """Writes what is there already wherever that can be read: a door that opens must not harm the host."""
    with open(path, "wb", buffering=0) as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def same(path, otherwise=b"0"):
    """What a file holds, to be written back."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096) or otherwise
    except OSError:
        return otherwise


def in_child(act):
    """Runs `act` in a forked child; what it reached is reached. A child that dies has reached nothing."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        before = len(reached)
        try:
            act()
        except OSError:
            pass
        except BaseException as error:
            reached.append("broken: %r" % error)
        os.write(writable, "\n".join(reached[before:]).encode()[:4000])
        os._exit(0)
    os.close(writable)
    found = b""
    while block := os.read(readable, 4096):
        found += block
    os.close(readable)
    os.waitpid(child, 0)
    reached.extend(found.decode().split("\n") if found else [])


def as_own_root(act):
    """Runs `act` in a child that is root of a user namespace of its own, if one can be had: root over nothing."""
    uid, gid = os.getuid(), os.getgid()

    def inside():
        syscall("unshare", NEWUSER | NEWNS | NEWCGROUP | NEWIPC | NEWNET | NEWUTS)
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", "0 %d 1" % uid)
        write("/proc/self/gid_map", "0 %d 1" % gid)
        act()

    in_child(inside)
