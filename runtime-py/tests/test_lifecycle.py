"""Endings, and programs that mean harm."""

from __future__ import annotations

import os
import pathlib
import signal
import time
from typing import Any

import pytest
from host import MAGIC, Held, Run, frame, run, structured


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(pid: int) -> None:
    """Until the process has ended, or fail."""
    try:
        handle = os.pidfd_open(pid)  # type: ignore[attr-defined,unused-ignore]
    except ProcessLookupError:
        return
    import select

    assert select.select([handle], [], [], 5)[0] or gone(pid), f"{pid} lives"
    os.close(handle)


@pytest.mark.parametrize(
    "code",
    [
        "print('on')\nwhile True: pass",
        "print('on')\nimport re\nre.match('(a*)*b', 'a' * 64)",  # never gives the interpreter back
        "import os\nif os.fork() == 0:\n    while True: pass\nprint('on')\nwhile True: pass",
        "import subprocess\nsubprocess.Popen(['sleep', '1000'])\nprint('on')\nwhile True: pass",
        "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nprint('on')\nawait mcp_x.never()",
    ],
)
def test_a_hang_up_ends_everything(code: str) -> None:
    guest = Run(code, lambda call: Held())
    guest.until(lambda: "on" in guest.stdout)
    assert guest.hello and guest.process.stdin
    began = time.monotonic()
    guest.process.stdin.close()
    guest.until(lambda: guest.exited)
    assert guest.process.wait(2) == 0
    assert time.monotonic() - began < 2
    assert guest.exited and guest.exited["hangup"] is True
    wait_gone(guest.hello["pid"])
    guest.close()


def test_a_hang_up_while_nobody_reads_our_output() -> None:
    guest = Run("while True: print('x' * 100_000)")
    guest.until(lambda: len(guest.output) > 3)
    assert guest.process.stdin and guest.hello
    guest.process.stdin.close()  # and the test reads nothing more
    assert guest.process.wait(2) == 0
    wait_gone(guest.hello["pid"])
    guest.close()


def test_a_hang_up_before_the_program_came() -> None:
    guest = Run()
    guest.until(lambda: guest.hello)
    assert guest.process.stdin
    guest.process.stdin.close()
    assert guest.process.wait(2) == 0
    guest.close()


def test_a_host_that_closes_the_output_ends_it_too() -> None:
    guest = Run("while True: print('x')")
    guest.until(lambda: guest.output)
    assert guest.process.stderr
    guest.selector.unregister(guest.process.stderr)
    guest.process.stderr.close()
    assert guest.process.wait(2) == 0
    guest.close()


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import os; os._exit(7)", {"code": 7}),
        ("import os; os.kill(os.getpid(), 9)", {"signal": 9}),
        ("import os; os.abort()", {"signal": 6}),
        ("import ctypes; ctypes.string_at(0)", {"signal": 11}),
        ("import os; os.closerange(3, 65536)", {"code": 113}),
        ("import os; os.closerange(3, 65536); await mcp_x.t()", {"code": 113}),
        ("import os; os.closerange(3, 65536); runtime.call_tool_sync('x', 't')", {"code": 113}),
        ("import os; os.closerange(100, 65536); await mcp_x.t()", {"code": 113}),
        ("import os; os.closerange(0, 65536)", {"code": 113}),
    ],
)
def test_endings_without_a_report_are_told_truly(code: str, ending: dict[str, int]) -> None:
    done = run(f"print('before', flush=True)\n{code}")
    assert done.finished is None
    assert done.exited and ending.items() <= done.exited.items()
    assert done.stdout == "before\n"


def test_closing_stdout_and_stderr_hurts_nobody() -> None:
    done = run("import os; print('a'); os.close(1); os.close(2); await mcp_x.t()", lambda call: structured({"a": 1}))
    assert done.result == {"a": 1}
    assert done.stdout == "a\n"
    done = run("import sys; sys.stdout.close(); sys.stderr.close(); 1")
    assert done.result == 1


def test_a_forked_child_cannot_speak() -> None:
    code = """
import os, sys
child = os.fork()
if child == 0:
    try:
        await mcp_x.from_child()
    except RuntimeError as error:
        print(error)
    try:
        runtime.call_tool_sync("x", "t")
    except RuntimeError as error:
        print("again")
else:
    status = os.waitpid(child, 0)[1]
    (await mcp_x.parent()).ok
    status
"""
    # Both sides reach the end of the program: only the parent reports.
    done = run(code + "\n0", lambda call: structured({"ok": call["tool"]}))
    assert [call["tool"] for call in done.calls] == ["parent"]
    assert done.stdout.splitlines() == [
        "a forked child cannot call MCP tools; call them in the program's own process",
        "again",
    ]
    assert done.result == 0


def test_a_forked_child_that_fails_has_its_exit_code() -> None:
    code = """
import os
child = os.fork()
if child == 0:
    raise ValueError("in the child")
os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
    done = run(code)
    assert done.result == 1
    assert "ValueError: in the child" in done.stderr


def test_processes_by_multiprocessing() -> None:
    code = """
import multiprocessing
def square(x): return x * x
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(square, range(5))
found
"""
    assert run(code).result == [0, 1, 4, 9, 16]


def test_a_grandchild_that_holds_the_pipes_is_not_waited_for() -> None:
    began = time.monotonic()
    done = run("import subprocess\nsubprocess.Popen(['sleep', '1000'])\nprint('done')")
    assert done.stdout == "done\n"
    assert time.monotonic() - began < 5


def test_a_grandchild_that_floods_the_pipes_is_not_waited_for() -> None:
    done = run("import subprocess\nsubprocess.Popen(['sh', '-c', 'yes & yes >&2'])\nawait asyncio.sleep(0.05)\n1")
    assert done.result == 1


def test_forged_frames_are_only_output() -> None:
    forged = MAGIC + b"\x00\x00\x00\x03Z{}" + b"\x00\x00\x00\x03F{}" + b"\xff\xff\xff\xff"
    done = run(f"import os\nfor fd in (1, 2): os.write(fd, {forged!r})\n'true'")
    assert done.result == "true"
    assert b"".join(data for kind, data in done.output if kind == "O") == forged
    assert b"".join(data for kind, data in done.output if kind == "E") == forged


def test_the_supervisors_descriptors_cannot_be_opened() -> None:
    code = """
import os
found = []
for fd in range(20):
    try:
        found.append(os.open(f"/proc/{os.getppid()}/fd/{fd}", os.O_WRONLY))
    except OSError:
        pass
found
"""
    if os.getuid() == 0:
        pytest.skip("root may open everything; the sandbox runs as nobody")
    assert run(code).result == []


def test_the_worker_holds_nothing_it_should_not() -> None:
    code = """
import os
sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")
       if os.path.exists(f"/proc/self/fd/{fd}"))
"""
    held = run(code).result
    assert [name for name in held if name.startswith("/")] == ["/dev/null"]
    assert held.count("pipe") == 2 + 2 + 1 + 2  # output, the protocol, the bell, the wake-up of readers


def test_signals_are_as_usual_in_the_program() -> None:
    code = """
import signal, subprocess
usual = [signal.getsignal(s) is signal.SIG_DFL for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)]
child = subprocess.run(["sh", "-c", "kill -TERM $$"]).returncode
(usual, signal.getsignal(signal.SIGINT) is signal.default_int_handler, child)
"""
    assert run(code).result == [[True] * 3, True, -15]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD])
def test_the_supervisor_ignores_signals(number: int) -> None:
    done = run(f"import os\nfor _ in range(50): os.kill(os.getppid(), {number})\n'alive'")
    assert done.result == "alive"
    assert done.exited and done.exited["code"] == 0


def test_orphans_are_reaped_quietly() -> None:
    done = run("import os, subprocess\nfor _ in range(20): subprocess.run(['sh', '-c', 'true & true &'])\n1")
    assert done.result == 1


def test_twenty_megabytes_of_output() -> None:
    code = """
import sys
for _ in range(20):
    sys.stdout.write("x" * 1_000_000)
    sys.stderr.write("y" * 1_000_000)
1
"""
    done = run(code)
    assert done.result == 1
    assert len(done.stdout) == len(done.stderr) == 20_000_000
    assert max(len(data) for _kind, data in done.output) <= 256 * 1024


def test_many_small_prints() -> None:
    done = run("for i in range(20_000): print(i)")
    assert done.stdout.splitlines() == [str(i) for i in range(20_000)]


def test_output_is_complete_when_the_program_dies() -> None:
    done = run("import os\nos.write(1, b'x' * 60_000)\nos.write(2, b'y' * 60_000)\nos.kill(os.getpid(), 9)")
    assert (len(done.stdout), len(done.stderr)) == (60_000, 60_000)


def test_little_memory() -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000))
x = []
while True:
    x.append(bytearray(1_000_000))
"""
    error = run(code).error
    assert error["type"] == "MemoryError"
    assert "MCP_BRIDGE_MEMORY" in error["hint"]


def test_no_more_processes() -> None:
    if os.getuid() == 0:
        pytest.skip("root has no limit on processes")
    code = "import resource, os\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\nos.fork()"
    assert "MCP_BRIDGE_PIDS" in run(code).error["hint"]


def test_a_program_that_breaks_the_loop() -> None:
    done = run("asyncio.get_running_loop().stop()\nawait asyncio.sleep(0)\nawait asyncio.sleep(1)")
    assert done.error["type"] == "RuntimeError"


def test_a_broken_start_is_the_guests_own_fault() -> None:
    guest = Run()
    guest.send(b"S", b"not json")
    guest.end()
    assert guest.exited and guest.exited["code"] == 114
    assert "JSONDecodeError" in guest.stderr


def test_counters_are_there_where_the_kernel_has_them(tmp_path: Any) -> None:
    done = run("1")
    assert done.exited and {"code": 0}.items() <= done.exited.items()
    assert set(done.exited) <= {"code", "oom_kills", "pids_denied"}


def test_replies_on_their_way_at_the_end_meet_no_closed_pipe() -> None:
    # More than any pipe holds: it all goes in, though the program has ended.
    guest = Run("1")
    guest.until(lambda: guest.exited)
    assert guest.process.stdin
    os.set_blocking(guest.process.stdin.fileno(), True)
    replies = frame(b"R", {"id": 1, "ok": "x" * 1_000_000})
    assert guest.process.poll() is None
    while replies:
        replies = replies[os.write(guest.process.stdin.fileno(), replies) :]
    guest.end()
    assert guest.result == 1


def test_a_host_that_never_hangs_up_is_not_waited_for() -> None:
    guest = Run("1")
    guest.until(lambda: guest.exited)
    assert guest.process.wait(10) == 0
    guest.close()
