# expect: status=success result=[]
# PID 1 holds the stream that the host believes: nothing of it may be opened, read, traced or taken.
import ctypes
import os

opened = []
for name in ("mem", "environ", "maps", "auxv", "cwd", "root", "exe", "fd", "map_files", "io", "stack", "syscall",
             "pagemap", "personality"):
    path = "/proc/1/" + name
    try:
        if name in ("fd", "map_files"):
            os.listdir(path)
        elif name in ("cwd", "root", "exe"):
            os.readlink(path)
        else:
            os.close(os.open(path, os.O_RDONLY))
    except OSError:
        continue
    opened.append(path)
for number in range(300):
    for flags in (os.O_RDONLY, os.O_WRONLY):
        try:
            os.open("/proc/1/fd/%d" % number, flags)
            opened.append("/proc/1/fd/%d" % number)
        except OSError:
            pass
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
    if libc.ptrace(request, 1, 0, 0) == 0:
        opened.append("ptrace")
buffer = ctypes.create_string_buffer(16)
local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 16)
remote = (ctypes.c_void_p * 2)(0x400000, 16)
libc.syscall.restype = ctypes.c_long
if libc.syscall(310, 1, local, 1, remote, 1, 0) > 0:
    opened.append("process_vm_readv")
pid_fd = libc.syscall(434, 1, 0)
if pid_fd >= 0 and any(libc.syscall(438, pid_fd, number, 0) >= 0 for number in range(10)):
    opened.append("pidfd_getfd")
opened
