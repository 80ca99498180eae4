# Runs inside a sandbox with tiny limits and says which promises hold: one JSON object, name -> [holds, what was seen].
# The limits it compares with are its arguments: bytes of memory, processes, processors, bytes of /tmp.
import errno, json, mmap, os, sys, time

memory, pids, cpus, tmp = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
found = {}


def probe(name):
    def run(function):
        try:
            answer = function()
            if answer is not None:
                found[name] = list(answer)
        except OSError as error:
            found[name] = [False, "cannot tell: %s" % error]
    return run


def first(*places):
    for place in places:
        try:
            with open(place) as file:
                return file.read().strip()
        except OSError:
            pass
    return None


status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)


@probe("user")
def _():
    ids = status["Uid"].split() + status["Gid"].split()
    return "0" not in ids, "uid %s, gid %s" % (os.getuid(), os.getgid())


@probe("capabilities")
def _():
    held = {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    return not any(int(value, 16) for value in held.values()), "effective %(CapEff)s, bounding %(CapBnd)s" % held


@probe("no-new-privileges")
def _():
    return status["NoNewPrivs"].strip() == "1", "NoNewPrivs %s" % status["NoNewPrivs"].strip()


@probe("seccomp")
def _():
    return status["Seccomp"].strip() == "2", "mode %s (2 is a filter)" % status["Seccomp"].strip()


@probe("network")
def _():
    names = sorted(line.split(":")[0].strip() for line in open("/proc/self/net/dev").read().splitlines()[2:])
    return names in ([], ["lo"]), "interfaces: %s" % (", ".join(names) or "none")


@probe("read-only root")
def _():
    writable = []
    places = {line.split()[4] for line in open("/proc/self/mountinfo")} | {"/", "/etc", "/usr", "/root", "/home", "/var", "/var/tmp", "/run"}
    for place in sorted(places):
        name = os.path.join(place, ".mcp-bridge-probe")
        try:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
            os.unlink(name)
            writable.append(place)
        except OSError:
            pass
    wanted = {"/tmp", "/workspace", "/dev/shm", "/dev/mqueue"}
    return set(writable) <= wanted and {"/tmp", "/workspace"} <= set(writable), "writable: %s" % " ".join(writable)


@probe("tmpfs")
def _():
    written, block = 0, b"x" * 65536
    try:
        with open("/tmp/fill", "wb", buffering=0) as file:
            while written <= 4 * tmp:
                written += file.write(block)
    except OSError as error:
        os.unlink("/tmp/fill")
        return error.errno == errno.ENOSPC and written <= tmp, "%d of %d bytes, then %s" % (written, tmp, error.strerror)
    os.unlink("/tmp/fill")
    return False, "%d bytes fit where %d are allowed" % (written, tmp)


@probe("cpus")
def _():
    wall, used = time.monotonic(), time.process_time()
    while time.monotonic() - wall < 0.5:
        pass
    share = (time.process_time() - used) / (time.monotonic() - wall)
    # A quota is given in periods of 0.1 s: over half a second the share is off by at most a period.
    return share < cpus + 0.25, "%.2f of %.2f processors" % (share, cpus)


@probe("pids")
def _():
    gate, children, refused = os.pipe(), [], None
    for _ in range(2 * pids + 8):
        try:
            child = os.fork()
        except OSError as error:
            refused = error.strerror
            break
        if child == 0:
            os.close(gate[1])
            os.read(gate[0], 1)
            os._exit(0)
        children.append(child)
    os.close(gate[1])
    for child in children:
        os.waitpid(child, 0)
    return refused is not None and len(children) <= pids, "%d more processes, then %s" % (len(children), refused)


REFUSED = 3


def allocate(size):
    child = os.fork()
    if child == 0:
        try:
            # Private: shared memory is nobody's in particular, and a sandbox without cgroups ends as a whole for it.
            block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for at in range(0, size, 4096):
                block[at] = 1
        except OSError:
            os._exit(REFUSED)
        os._exit(0)
    return os.waitpid(child, 0)[1]


@probe("user namespaces")
def _():
    try:
        import ctypes
    except ImportError:
        return True, "not tried: this Python has no ctypes"
    child = os.fork()
    if child == 0:
        os._exit(1 if ctypes.CDLL(None).unshare(0x10000000) == 0 else 0)
    shut = os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 0
    return shut, "refused" if shut else "a program may make one"


@probe("memory")
def _():
    ended = allocate(2 * memory)
    if os.WIFSIGNALED(ended):
        return True, "killed at the limit"
    refused = os.WEXITSTATUS(ended) == REFUSED
    return refused, "refused at the limit" if refused else "took twice the limit"


@probe("swap")
def _():
    if not os.path.exists("/proc/swaps"):
        return None
    if len(open("/proc/swaps").read().splitlines()) < 2:
        return True, "this machine has none"
    limit = first("/sys/fs/cgroup/memory.swap.max")
    if limit is not None:
        return limit == "0", "memory.swap.max %s" % limit
    limit = first("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
    return limit is not None and int(limit) <= memory, "memory and swap together: %s" % limit


sys.stdout.write(json.dumps(found))
sys.stdout.flush()
