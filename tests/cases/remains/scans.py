# Looks for a secret in all that this run can read, its own memory first. It has the secret's bytes only in another form (`needle`,
# from the line above: each byte moved on by 77), and looks at everything in that form, so that nothing here finds itself.
import builtins
import ctypes
import os
import sys

MOVED = bytes((n + 77) % 256 for n in range(256))
CHUNK = 1 << 20


def forms(word):
    """As text and bytes have it: one, two or four bytes for a character."""
    return [b"".join(bytes([c]) + MOVED[:1] * more for c in word) for more in (0, 1, 3)]


def holds(data, words):
    moved = bytes(data).translate(MOVED)
    return any(word in moved for word in words)


def memory(pid, words):
    """How many pieces of that process's memory hold one of these, how many bytes were seen, and by what."""
    with open("/proc/%s/maps" % pid) as file:
        lines = [line.split() for line in file]
    areas = [[int(n, 16) for n in line[0].split("-")] for line in lines if "r" in line[1] and line[-1] not in ("[vvar]", "[vsyscall]", "[vvar_vclock]")]
    try:
        mem = open("/proc/%s/mem" % pid, "rb", 0)
    except OSError:
        if pid != "self":
            raise
        mem = None
    count = seen = 0
    for begin, end in areas:
        for at in range(begin, end, CHUNK):
            size = min(CHUNK + 1024, end - at)
            try:
                data = os.pread(mem.fileno(), size, at) if mem else ctypes.string_at(at, size)
            except OSError:
                continue
            seen += min(len(data), CHUNK)
            count += holds(data, words)
    return count, seen, "file" if mem else "pointers"


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read(64 << 20)
    except OSError:
        return b""


words = forms(needle)
control = os.urandom(24).hex()
in_memory, seen, by = memory("self", words)
found = ["memory"] if in_memory else []
# The same eyes see what is there.
control_found = memory("self", forms(control.encode().translate(MOVED)))[0] > 0

# What is mounted read-only is what every run is made of.
with open("/proc/self/mountinfo") as file:
    mounts = [line.split() for line in file]
changeable = [fields[4] for fields in mounts if "ro" not in fields[5].split(",") and not fields[4].startswith(("/proc", "/sys"))]
for top, folders, files in os.walk("/"):
    if top == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
    for name in folders + files:
        path = os.path.join(top, name)
        if name == "mcp-mark" or holds(os.fsencode(name), words):
            found.append("name")
        try:
            link = os.readlink(path)
        except OSError:
            link = ""
        if holds(os.fsencode(link), words):
            found.append("link")
    try:
        if os.stat(top).st_mtime == 777777777:
            found.append("time")
    except OSError:
        pass
    if any(top == place or top.startswith(place.rstrip("/") + "/") for place in changeable):
        for name in files:
            path = os.path.join(top, name)
            if os.path.isfile(path) and holds(content(path), words):
                found.append("file")

for pid in filter(str.isdigit, os.listdir("/proc")):
    for what in ("cmdline", "environ", "comm", "maps", "status", "stat"):
        data = content("/proc/%s/%s" % (pid, what))
        if holds(data, words) or what == "cmdline" and b"\0mcp-mark" in data:
            found.append("process")
    try:
        if pid != str(os.getpid()) and memory(pid, words)[0]:
            found.append("process")
    except OSError:
        pass
for path in ("/proc/keys", "/proc/locks", "/proc/net/unix", "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"):
    if holds(content(path), words):
        found.append(path)
libc = ctypes.CDLL(None, use_errno=True)
for what, got in {"shm": libc.shmget(0x6D6370, 0, 0), "sem": libc.semget(0x6D6370, 0, 0), "msg": libc.msgget(0x6D6370, 0)}.items():
    if got >= 0:
        found.append(what)
found += [what for what, there in {
    "environment": "MCP_MARK" in os.environ or holds(repr(dict(os.environ)).encode(), words),
    "module": "mcp_mark" in sys.modules,
    "path": "/mcp-mark" in sys.path,
    "builtin": hasattr(builtins, "mcp_mark"),
    "patched": hasattr(os, "mcp_mark"),
    "variable": "mcp_mark" in globals(),
}.items() if there]
{"found": sorted(set(found)), "control": control_found, "megabytes": seen >> 20, "by": by}
