# What must fail, and by which name: the calls of every group, and those with a condition.
import ctypes
import errno
import json
import mmap
import os
import platform
import signal
import socket
import stat
import sys

# The filter is there: else some of what follows would be done.
assert "\nSeccomp:\t2\n" in open("/proc/self/status").read()
given = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.syscall.argtypes = [ctypes.c_long] * 7
faults = []


def expect(what, wanted, number, *arguments):
    ctypes.set_errno(0)
    answer = libc.syscall(number, *(arguments + (-1,) * 6)[:6])
    got = errno.errorcode.get(ctypes.get_errno(), "0") if answer == -1 else "done"
    if got != wanted:
        faults.append("%s: %s instead of %s" % (what, got, wanted))


for name, number in given["refused"].items():
    expect(name, "EPERM", number)
for name, number in given["unknown"].items():
    expect(name, "ENOSYS", number)
assert len(given["refused"]) > 80 and len(given["unknown"]) > 100, given

number = given["numbers"]
for family in range(64):
    if family != socket.AF_UNIX:
        for kind in (1, 2, 3, 5):
            expect("socket of family %d" % family, "ENETUNREACH", number["socket"], family, kind, 0)
            expect("socketpair of family %d" % family, "EPERM", number["socketpair"], family, kind, 0, 0)
# The kernel takes the lower half for the family, so the filter has to as well.
expect("a family in the lower half", "ENETUNREACH", number["socket"], (1 << 32) | socket.AF_INET, 1, 0)
for bit in (17, 25, 26, 27, 28, 29, 30):
    expect("clone with 1 << %d" % bit, "EPERM", number["clone"], 1 << bit | signal.SIGCHLD, 0, 0, 0, 0)
for option in ("TIOCSTI", "TIOCLINUX", "TIOCSETD"):
    value = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSETD": 0x5423}[option]
    expect(option, "EPERM", number["ioctl"], 0, value, 0)
    expect(option + " and bits above", "EPERM", number["ioctl"], 0, (1 << 32) | value, 0)
for option in (8, 22, 24, 28, 31, 35, 47, 53, 0x59616D61, 999):
    expect("prctl %d" % option, "EPERM", number["prctl"], option, 0, 0, 0, 0)
for kind in (0x0040000, 0x0008, 0x20000):
    expect("personality %#x" % kind, "EPERM", number["personality"], kind)
path = ctypes.create_string_buffer(b"/tmp/seccomp-device")
address = ctypes.addressof(path)
for kind in (stat.S_IFCHR, stat.S_IFBLK):
    expect("mknodat", "EPERM", number["mknodat"], -100, address, kind | 0o666, os.makedev(1, 3))
    if "mknod" in number:
        expect("mknod", "EPERM", number["mknod"], address, kind | 0o666, os.makedev(1, 3))
left, right = socket.socketpair()
for option in (26, 50, 51, 52):
    expect("SO_ATTACH %d" % option, "EPERM", number["setsockopt"], left.fileno(), 1, option, 0, 0)

anonymous = mmap.MAP_ANONYMOUS
for flags in (mmap.MAP_SHARED | anonymous, 3 | anonymous, mmap.MAP_SHARED | anonymous | 0x4000):
    wanted = "done" if given["counted"] else "EPERM"
    ctypes.set_errno(0)
    answer = libc.syscall(number["mmap"], 0, 4096, 3, flags, -1, 0)
    got = "done" if answer > 0 else errno.errorcode[ctypes.get_errno()]
    # MAP_SHARED_VALIDATE without a file is an error of its own.
    if got != wanted and not (given["counted"] and flags & 3 == 3 and got == "EINVAL"):
        faults.append("mmap %#x: %s" % (flags, got))
try:
    os.close(os.memfd_create("name"))
    memory = "done"
except AttributeError:
    memory = "done" if given["counted"] else "ENOSYS"  # this Python was built without it
except OSError as error:
    memory = errno.errorcode[error.errno]
if memory != ("done" if given["counted"] else "ENOSYS"):
    faults.append("memfd_create: " + memory)

if platform.machine() == "x86_64":
    child = os.fork()
    if child == 0:
        # mov eax, 20 (getpid on i386); int 0x80; ret
        code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | anonymous, 7)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    # A kernel without the old door answers with SIGSEGV before any filter is asked.
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) not in (signal.SIGSYS, signal.SIGSEGV):
        faults.append("int 0x80: status %#x" % status)
    expect("getpid of the x32 kind", "ENOSYS", 0x40000000 + 39)

assert faults == [], "\n".join(faults)
print("ok")
