# Looks for the marks of `_plants.py`, every one of them.
import socket

for place in ("/tmp", "/workspace", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run", "/run/lock", os.path.dirname(os.__file__)):
    for name in os.listdir(place) if os.path.isdir(place) else []:
        if name.startswith(("mcp-bridge-mark", "mcp-bridge-socket")) or place == "/tmp" and name == "sitecustomize.py":
            reached.append(os.path.join(place, name))


def connect(family, address):
    with socket.socket(family) as s:
        s.settimeout(2)
        s.connect(address)


attempt("abstract socket", lambda: connect(socket.AF_UNIX, "\0mcp-bridge-mark"))
attempt("loopback", lambda: connect(socket.AF_INET, ("127.0.0.1", 34567)))
attempt("shared memory", lambda: syscall("shmget", 0x6D6172, 0, 0))
attempt("semaphore", lambda: syscall("semget", 0x6D6172, 0, 0))
attempt("message queue", lambda: syscall("msgget", 0x6D6172, 0))
attempt("posix queue", lambda: syscall("mq_open", b"mcp-bridge-mark", os.O_RDONLY, 0, None))
attempt("key", lambda: syscall("request_key", b"user", b"mcp-bridge-mark", None, 0))
attempt("keyring", lambda: syscall("keyctl", 10, syscall("keyctl", 22, -1, -2), b"keyring", b"mcp-bridge-mark", 0))
attempt("vsock", lambda: connect(40, (1, 34567)))
for path in ("/proc/keys", "/proc/net/unix", "/proc/locks"):
    if b"mcp-bridge-mark" in same(path, b""):
        reached.append(path)
for name in os.listdir("/proc"):
    if name.isdigit() and same("/proc/%s/comm" % name, b"").startswith(b"mcp-mark"):
        reached.append("process " + name)
if "MCP_BRIDGE_MARK" in os.environ or "/tmp" in sys.path or "sitecustomize" in sys.modules and "/tmp" in repr(sys.modules["sitecustomize"]):
    reached.append("interpreter")
reached
