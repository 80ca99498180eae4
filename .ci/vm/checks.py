"""What the embedded sandbox does on Debian 13 with systemd and cgroup version 2. Run as root in the machine of `run`.

Prints a line for each check, and at the end a list of what failed, or that every check passed.
"""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
import traceback

BRIDGE = "/mnt/mcp-bridge"
CONTRACT = "/mnt/contract"
# Seconds that a bridge may take: hundreds of times what it takes, for the processor is emulated, perhaps by a busy machine.
PATIENCE = 120
# Seconds between two looks from outside: a look is work for an emulated processor.
PAUSE = 0.2
# Seconds after which nothing may be left of a bridge that was killed.
CLEAN = 10

LIMITS = {"MCP_BRIDGE_MEMORY": "128m", "MCP_BRIDGE_PIDS": "24"}


# Who runs the bridge. Each takes a command and gives the command that has it run so.

def root(command):
    """From a service of the system."""
    return command


def user(command):
    """An ordinary user in the service of somebody else, as from cron."""
    return ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "--reset-env", *command]


def session(command):
    """An ordinary user who has logged in: systemd makes a scope for that, and it is not the user's."""
    return ["su", "-", "ci", "-c", shlex.join(command)]


def scope(command):
    """The same, having asked systemd for a group of its own."""
    return session(["systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes", *command])


def with_settings(command, settings):
    return ["env", *(f"{name}={value}" for name, value in settings.items()), *command]


def run(who, *arguments, program="", settings=None, binary=BRIDGE):
    """The bridge to its end."""
    command = who(with_settings([binary, *arguments], {**LIMITS, **(settings or {})}))
    return subprocess.run(command, input=program, capture_output=True, text=True, timeout=PATIENCE, cwd="/")


def python(who, program, **more):
    return run(who, "run", "-", program=program, **more)


def expect(ran, code, *words):
    """This exit code, and each of these words or patterns in what it said."""
    said = ran.stdout + ran.stderr
    assert ran.returncode == code, f"exit {ran.returncode}, not {code}: {said}"
    for word in words:
        assert re.search(word, said), f"no {word!r} in: {said}"


# The view from outside.

def processes():
    """PID and command line of everything that is of a bridge."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # A sandbox's processes are Pythons in a PID namespace that is not this one.
            if line and ((entry / "exe").readlink().name in ("mcp-bridge", "refused") or (entry / "ns/pid").readlink() != HERE):
                found[int(entry.name)] = line
        except OSError:
            continue
    return found


HERE = pathlib.Path("/proc/self/ns/pid").readlink()


def groups():
    return sorted(f"{above}/{name}" for above, names, _ in os.walk("/sys/fs/cgroup") for name in names if name.startswith("mcp-bridge."))


def traces():
    """All that a sandbox could leave: processes, control groups, mounts, files."""
    files = [str(entry) for folder in ("/tmp", "/dev/shm", "/run") for entry in pathlib.Path(folder).glob("*mcp-bridge*")]
    return [*(f"process {pid} {line}" for pid, line in processes().items()), *groups(), *sorted(mounts() - MOUNTS), *files]


def mounts():
    """Where something is mounted; systemd comes and goes with the folders of users who log in."""
    points = {line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}
    return {point for point in points if not point.startswith("/run/user/")}


MOUNTS = mounts()


def nothing_left():
    until = time.monotonic() + CLEAN
    while left := traces():
        assert time.monotonic() < until, f"left behind: {left}"
        time.sleep(PAUSE)


def started(who, program, **settings):
    """A bridge whose program has said `on`."""
    command = who(with_settings([BRIDGE, "run", "--timeout", "100", "-c", program], {**LIMITS, **settings}))
    bridge = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    until = time.monotonic() + PATIENCE
    # The bridge shows what is printed at the end; a sandbox of three processes is one whose program runs.
    while sum("__sandbox" not in line and "python3" in line for line in processes().values()) < 3:
        assert bridge.poll() is None and time.monotonic() < until, "the program did not start"
        time.sleep(PAUSE)
    return bridge


def end(bridge):
    """Kills the bridge itself, not what started it."""
    [pid] = [pid for pid, line in processes().items() if line.startswith(f"{BRIDGE} run")]
    os.kill(pid, signal.SIGKILL)
    nothing_left()
    bridge.wait(PATIENCE)


SLEEPERS = """
import os, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
time.sleep(600)
"""
# Each process is far below the limit of 128 MiB, three together are above it.
SHARED_OUT = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        x = b"x" * (50 << 20)
        time.sleep(600)
print("one ended by", os.wait()[1])
"""
FORKS = """
import os, time
began = time.monotonic()
for _ in range(3):
    if os.fork() == 0:
        while time.monotonic() < began + 3: pass
        os._exit(0)
for _ in range(3): os.wait()
t = os.times()
print("share", (t.children_user + t.children_system) / (time.monotonic() - began))
n = 0
try:
    while True:
        if os.fork() == 0: time.sleep(600)
        n += 1
except OSError as e:
    print("stopped at", n if n < 24 else "too many", "by", e.errno, flush=True)
"""

CHECKS = []


def check(*whom):
    """A check, for everybody in `whom`."""
    def keep(body):
        for who in whom or [None]:
            name = body.__name__.replace("_", " ")
            CHECKS.append((f"{who.__name__}: {name}" if who else name, body, [who] if who else []))
        return body
    return keep


@check(root, session, scope)
def the_bridge_is_where_this_says(who):
    place = subprocess.run(who(["cat", "/proc/self/cgroup"]), capture_output=True, text=True, check=True).stdout.strip()
    wanted = {
        root: r"^0::/system.slice/checks.service$",
        session: r"^0::/user.slice/user-1000.slice/session-\w+.scope$",
        scope: r"^0::/user.slice/user-1000.slice/user@1000.service/.*\.scope$",
    }
    assert re.search(wanted[who], place), place


@check(root, session, scope)
def doctor_chooses_embedded_and_says_what_holds_what(who):
    ran = run(who, "doctor")
    if "the probe did not end within" in ran.stdout:
        # As it says: this machine was overloaded, so once more.
        ran = run(who, "doctor")
    print(ran.stdout)
    expect(ran, 0, r"sandbox: embedded \(auto: neither Podman nor Docker works here\)", "seccomp: a list")
    assert not re.search("(?m)^fail", ran.stdout), ran.stdout
    if who is session:
        expect(ran, 0, "how: memory: RLIMIT_DATA.* 20 ms", "how: pids: RLIMIT_NPROC", "how: cpus: the processors it may run on")
    else:
        expect(ran, 0, r"how: memory: .*version 2, memory.max", r"how: pids: .*version 2, pids.max")
        expect(ran, 0, r"how: cpus: .*version 2, cpu.max")


@check(root, session, scope)
def the_groups_are_what_was_asked_for_and_nothing_is_left_when_the_bridge_is_killed(who):
    bridge = started(who, SLEEPERS)
    try:
        mine = [pathlib.Path(group) for group in groups() if not group.endswith("leaf")]
        if who is session:
            assert mine == [], mine
        else:
            [group] = mine
            read = {name: (group / name).read_text().strip() for name in ("memory.max", "pids.max", "cpu.max")}
            assert read == {"memory.max": str(128 << 20), "pids.max": "24", "cpu.max": "100000 100000"}, read
            inside = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
            assert len(inside) >= 3 and "__sandbox" not in str([processes().get(pid) for pid in inside]), inside
    finally:
        end(bridge)


@check(root, session, scope)
def memory_of_all_processes_ends_at_the_limit(who):
    if who is session:
        # What watches ends all of them.
        expect(python(who, SHARED_OUT), 4, "Memory limit exceeded")
    else:
        # The kernel ends one.
        expect(python(who, SHARED_OUT), 0, "one ended by 9")
    nothing_left()


@check(root, session, scope)
def processors_and_processes_end_at_the_limit(who):
    cpus = 1.0 if who is session else 0.5
    ran = python(who, FORKS, settings={"MCP_BRIDGE_CPUS": str(cpus)})
    expect(ran, 0, "share", r"stopped at \d+ by 11")
    share = float(ran.stdout.split()[1])
    # A quota is given in periods of 0.1 s: at most one more at each end of three seconds.
    assert share < cpus * 1.2, share
    nothing_left()


@check(session)
def what_no_group_can_hold_is_refused_and_can_be_given_up_by_name(who):
    half = {"MCP_BRIDGE_CPUS": "0.5"}
    expect(python(who, "print('ran')", settings=half), 3, "cpus", "MCP_BRIDGE_ALLOW_DEGRADED=cpus")
    ran = python(who, "print('ran')", settings={**half, "MCP_BRIDGE_ALLOW_DEGRADED": "cpus"})
    expect(ran, 0, "ran", "note: not held in this run: cpus")
    expect(run(who, "doctor", settings=half), 3, "(?m)^fail how: cpus")
    nothing_left()


@check(root, session, scope)
def the_example_of_the_readme(who):
    wanted = pathlib.Path("/mnt/README.md").read_text().split("<!-- prints -->")[1].split("```")[1].removeprefix("text\n")
    settings = {"MCP_SERVERS_CONFIG": "/mnt/examples/servers.json"}
    ran = run(who, "run", "/mnt/examples/first.py", settings=settings)
    expect(ran, 0)
    assert ran.stdout == wanted, ran.stdout
    nothing_left()


# Hosts that refuse.

class Sysctl:
    """A setting of the kernel while this lasts."""

    def __init__(self, name, value):
        self.file = pathlib.Path("/proc/sys") / name.replace(".", "/")
        self.value = value

    def __enter__(self):
        self.before = self.file.read_text()
        self.file.write_text(self.value)

    def __exit__(self, *_):
        self.file.write_text(self.before)


def refused(who, *words, binary=BRIDGE):
    """By its name, with a remedy; and nothing is left."""
    settings = {"MCP_BRIDGE_RUNTIME": "embedded"}
    expect(run(who, "run", "--report", "-", program="1", settings=settings, binary=binary), 3, "sandbox.namespaces_off", *words)
    expect(run(who, "doctor", settings=settings, binary=binary), 3, "(?m)^fail", *words)
    nothing_left()


@check(root, session, scope)
def user_namespaces_switched_off(who):
    with Sysctl("user.max_user_namespaces", "0"):
        refused(who, "user.max_user_namespaces is 0", "sysctl user.max_user_namespaces=")
    expect(python(who, "print('ran')"), 0, "ran")


@check(root, session, scope)
def user_namespaces_for_root_only(who):
    with Sysctl("kernel.unprivileged_userns_clone", "0"):
        if who is root:
            expect(python(who, "print('ran')"), 0, "ran")
        else:
            refused(who, "kernel.unprivileged_userns_clone is 0", "sysctl kernel.unprivileged_userns_clone=1")
    nothing_left()


@check(root, user)
def a_profile_of_apparmor_that_denies_user_namespaces(who):
    binary = "/usr/local/bin/refused"
    shutil.copy(BRIDGE, binary)
    rules = "file,\n capability,\n network,\n signal,\n mount,\n umount,\n pivot_root,\n unix,\n ptrace,\n deny userns,\n"
    profile = f"abi <abi/4.0>,\nprofile refused {binary} {{\n {rules}}}\n"
    subprocess.run(["apparmor_parser", "-r"], input=profile, text=True, check=True)
    try:
        refused(who, "the profile `refused \\(enforce\\)` of the security module", "`userns,`", binary=binary)
    finally:
        subprocess.run(["apparmor_parser", "-R"], input=profile, text=True, check=True)
    expect(python(who, "print('ran')", binary=binary), 0, "ran")


def unit(command):
    """A service that systemd lets make no user namespaces."""
    return ["systemd-run", "--wait", "--pipe", "--quiet", "--uid=ci", "-p", "RestrictNamespaces=~user", "-p", "NoNewPrivileges=yes", *command]


@check(unit)
def a_unit_without_user_namespaces(who):
    refused(who, "RestrictNamespaces=")


@check(root, user)
def a_folder_for_temporary_files_that_is_full_or_read_only(who):
    for options in ("ro", "nr_inodes=1"):
        private = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o {options} none /tmp && exec "$@"', "sh"]
        expect(python(lambda command: private + who(command), "print('ran')"), 0, "ran")
    nothing_left()


# Of the contract that is kept everywhere, what depends on how groups are had. All of it takes an emulated processor ten minutes.

@check(root, scope)
def the_limits_of_the_contract(who):
    listed = subprocess.run([CONTRACT, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.removesuffix(": test") for line in listed if line.endswith(": test")]
    backend = "embedded_forked" if who is root else "embedded_user"
    wanted = [name for name in names if name.startswith("limits::") and name.endswith(f"::{backend}")]
    assert len(wanted) > 5, names
    command = who([CONTRACT, "--test-threads=2", "--exact", *wanted])
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd="/")
    passed = re.search(r"ok\. (\d+) passed; 0 failed; 0 ignored", ran.stdout)
    assert ran.returncode == 0 and passed, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert int(passed[1]) == len(wanted), passed[0]
    nothing_left()


def main():
    expected = pathlib.Path(sys.argv[1])
    expected.parent.mkdir(parents=True, exist_ok=True)
    expected.symlink_to(BRIDGE)
    print(" ".join(os.uname()), flush=True)
    only = sys.argv[2:]
    failed = []
    for name, body, arguments in CHECKS:
        if only and not any(word in name for word in only):
            continue
        began = time.monotonic()
        try:
            body(*arguments)
            verdict = "passed"
        except Exception:
            traceback.print_exc(file=sys.stdout)
            verdict = "FAILED"
            failed.append(name)
        print(f"{verdict} {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{len(failed)} failed: {'; '.join(failed)}" if failed else "every check passed", flush=True)
    if os.isatty(1):
        # The machine is switched off at once: what is on its way goes first.
        termios.tcdrain(1)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
