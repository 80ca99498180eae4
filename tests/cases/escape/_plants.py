# Makes a mark in every place that could outlive the run or be seen by another, tells which, and waits.
import socket
import tempfile

planted, held = [], []


def plant(what, act):
    try:
        held.append(act())
        planted.append(what)
    except OSError:
        pass


def listen(address):
    s = socket.socket(socket.AF_UNIX)
    s.bind(address)
    s.listen()
    return s


def loopback():
    s = socket.create_server(("127.0.0.1", 34567))
    return s


for place in ("/tmp", "/workspace", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run", "/run/lock", os.path.dirname(os.__file__)):
    plant("file in " + place, lambda: write(place + "/mcp-bridge-mark", "mark"))
    plant("socket in " + place, lambda: listen(place + "/mcp-bridge-socket"))
plant("temporary file", lambda: tempfile.NamedTemporaryFile(prefix="mcp-bridge-mark"))
plant("abstract socket", lambda: listen("\0mcp-bridge-mark"))
plant("loopback", loopback)
plant("shared memory", lambda: syscall("shmget", 0x6D6172, 4096, 0o1666))
plant("semaphore", lambda: syscall("semget", 0x6D6172, 1, 0o1666))
plant("message queue", lambda: syscall("msgget", 0x6D6172, 0o1666))
plant("posix queue", lambda: syscall("mq_open", b"mcp-bridge-mark", os.O_CREAT | os.O_RDWR, 0o666, None))
plant("key", lambda: syscall("add_key", b"user", b"mcp-bridge-mark", b"mark", 4, -4))


def named_keyring():
    """A keyring with a name, linked into the one that the user keeps."""
    ring = syscall("keyctl", 1, b"mcp-bridge-mark")
    kept = syscall("keyctl", 22, -1, -2)
    syscall("keyctl", 8, ring, kept)
    return ring, kept


def vsock():
    s = socket.socket(40)
    s.bind((0xFFFFFFFF, 34567))
    s.listen()
    return s


plant("keyring", named_keyring)
plant("vsock", vsock)
plant("process name", lambda: write("/proc/self/comm", "mcp-mark"))
os.environ["MCP_BRIDGE_MARK"] = "mark"
sys.path.insert(0, "/tmp")
write("/tmp/sitecustomize.py", "raise SystemExit('poisoned')")
await mcp_stub.waits()
for each in held:
    # The user's keyring outlives the run by days: a mark that could be made is taken away again.
    if isinstance(each, tuple):
        syscall("keyctl", 9, *each)
planted
