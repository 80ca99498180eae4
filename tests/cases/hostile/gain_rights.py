# expect: status=success result=[]
# Every call that a program without rights must not get through. Only what succeeds is listed.
import ctypes
import os
import platform

gained = []
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def attempt(what, act):
    try:
        result = act()
    except OSError:
        return
    if not isinstance(result, int) or result >= 0:
        gained.append(what)


for what, act in {
    "setuid": lambda: os.setuid(0),
    "setgid": lambda: os.setgid(0),
    "setgroups": lambda: os.setgroups([0]),
    "setresuid": lambda: os.setresuid(0, 0, 0),
    "chroot": lambda: os.chroot("/tmp"),
    "mknod block": lambda: os.mknod("/tmp/block", 0o60666, os.makedev(8, 0)),
    "mknod char": lambda: os.mknod("/tmp/char", 0o20666, os.makedev(1, 1)),
    "chown": lambda: (open("/tmp/mine", "w").close(), os.chown("/tmp/mine", 0, 0)),
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
    "remount": lambda: libc.mount(None, b"/", None, 32, None),
    "umount": lambda: libc.umount2(b"/tmp", 0),
    "sethostname": lambda: libc.sethostname(b"mine", 4),
}.items():
    attempt(what, act)
numbers = {"x86_64": {
    "pivot_root": 155, "swapon": 167, "reboot": 169, "init_module": 175, "kexec_load": 246, "add_key": 248, "keyctl": 250,
    "perf_event_open": 298, "open_by_handle_at": 304, "finit_module": 313, "bpf": 321, "userfaultfd": 323,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "io_uring_setup": 425, "settimeofday": 164,
    "acct": 163, "iopl": 172, "ioperm": 173, "quotactl": 179, "lookup_dcookie": 212,
}}.get(platform.machine(), {})
for name, number in numbers.items():
    attempt(name, lambda: libc.syscall(number, 0, 0, 0, 0, 0, 0))
gained
