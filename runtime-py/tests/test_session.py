"""Several programs in one worker, and what the host learns before the worker's process has ended."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from host import Held, Run, run, structured


def test_a_guest_says_when_a_program_may_come() -> None:
    guest = Run()
    guest.until(lambda: guest.hello and guest.awaiting == 1)
    assert guest.begun == 0
    assert guest.next("print('a'); 1 + 1", session=False).result == 2
    assert guest.stdout == "a\n"
    guest.end()
    assert guest.exited and guest.exited["code"] == 0
    assert guest.awaiting == guest.begun == 1


def test_variables_imports_functions_and_the_folder_stay() -> None:
    guest = Run()
    guest.next("import math, os\nx = [1]\ndef f(): return math.floor(x[0])\nos.chdir('/tmp')\nclass C: pass")
    assert guest.next("x[0] = 7.5; f()").result == 7
    assert guest.next("(os.getcwd(), C.__module__, __name__)").result == ["/tmp", "__main__", "__main__"]
    assert guest.next("await asyncio.sleep(0, f())", session=False).result == 7
    guest.end()
    assert guest.exited and guest.exited["code"] == 0
    assert guest.awaiting == 4


def test_the_result_and_the_notes_of_one_program_are_not_the_nexts() -> None:
    guest = Run()
    assert guest.next("lost = mcp_x.t()\n1").result == 1
    assert len(guest.notes) == 1 and "never awaited" in guest.notes[0]
    assert guest.next("None").result is None
    assert guest.notes == []
    guest.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("1/0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("asyncio.get_running_loop().stop()\nawait asyncio.sleep(0)\nawait asyncio.sleep(1)", "RuntimeError"),
    ],
)
def test_a_program_that_fails_leaves_the_session_as_it_is(code: str, kind: str) -> None:
    guest = Run()
    guest.next("x = 1")
    assert guest.next(f"x = 2\n{code}").error["type"] == kind
    assert guest.next("await asyncio.sleep(0, x)").result in (1, 2)
    guest.close()


def test_a_closed_loop_is_made_anew() -> None:
    code = """
import threading, time
loop = asyncio.get_running_loop()
def close():
    while loop.is_running():
        time.sleep(0.001)
    loop.close()
    print("closed")
threading.Thread(target=close).start()
"""
    guest = Run()
    guest.next(code)
    guest.until(lambda: "closed" in guest.stdout)
    assert guest.next("await asyncio.sleep(0, loop.is_closed())").result is True
    guest.close()


def test_tasks_end_with_their_program() -> None:
    guest = Run()
    guest.next("async def forever():\n    while True: await asyncio.sleep(1)\ntask = asyncio.create_task(forever())")
    assert "forever" in guest.notes[0]
    assert guest.next("task.cancelled()").result is True
    guest.close()


def test_servers_are_those_of_each_run() -> None:
    guest = Run(answer=lambda call: structured({"server": call["server"]}))
    assert guest.next("(await mcp_x.t()).server").result == "x"
    assert guest.next("'mcp_x' in globals(), (await mcp_y.t()).server", servers=(("y", "y"),)).result == [False, "y"]
    error = guest.next("await mcp_x.t()", servers=(("y", "y"),)).error
    assert "'x' is not loaded" in error["message"]
    assert guest.next("mcp_x = 3", servers=()).result is None
    assert guest.next("mcp_x", servers=(("y", "y"),)).result == 3
    guest.close()


def test_a_thread_that_waits_for_a_call_does_not_swallow_the_next_program() -> None:
    held: list[int] = []

    def answer(call: dict[str, Any]) -> Any:
        if call["tool"] == "slow":
            held.append(call["id"])
            return Held()
        return structured({"n": call["id"]})

    guest = Run(answer=answer)
    code = (
        "import threading\nfound = []\n"
        "def ask(): found.append(runtime.call_tool_sync('x', 'slow').ok)\n"
        "thread = threading.Thread(target=ask); thread.start()"
    )
    guest.next(code)
    guest.until(lambda: held)
    assert guest.next("(await mcp_x.quick()).n").result == 2
    guest.reply(held[0], structured({"ok": "late"}))
    assert guest.next("thread.join(10); found").result == ["late"]
    guest.close()


def test_what_a_program_leaves_running_prints_into_the_next() -> None:
    guest = Run()
    guest.next("import subprocess\nchild = subprocess.Popen(['cat'], stdin=subprocess.PIPE)")
    guest.next("child.stdin.write(b'from the child')\nchild.stdin.close()\nchild.wait()")
    assert guest.stdout == "from the child"
    guest.close()


def test_all_that_was_printed_is_there_before_the_bell_is_answered() -> None:
    guest = Run()
    for _ in range(20):
        guest.next("import os, sys\nprint('x' * 100_000)\nos.write(2, b'y' * 60_000)")
        assert (len(guest.stdout), len(guest.stderr)) == (100_001, 60_000)
    guest.close()


def test_a_bell_rung_by_the_program_does_no_harm() -> None:
    code = """
import fcntl, os, stat
writable = []
for fd in range(200, 260):
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            writable.append(fd)
    except OSError:
        pass
# The first is the stream to the host; the bell is among the others.
for fd in writable[1:]:
    for _ in range(1000):
        os.write(fd, b"1")
print("still here")
len(writable)
"""
    done = run(code)
    assert done.result == 3
    assert done.stdout == "still here\n"
    assert done.exited and done.exited["code"] == 0
    assert done.drained


def test_a_session_that_dies_is_told_like_any_program() -> None:
    guest = Run()
    guest.next("x = 1")
    guest.send(b"S", {**guest.start("import os; os._exit(9)", (), None, 1000, "/"), "session": True})
    guest.finished = None
    guest.end()
    assert guest.exited and guest.exited["code"] == 9


@pytest.mark.parametrize("turn", range(5))
def test_a_bell_and_an_end_that_are_heard_at_once_are_both_told(turn: int) -> None:
    # PID 1 sleeps meanwhile, as it may on a crowded machine.
    guest = Run("import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nprint('done')\n1")
    guest.until(lambda: guest.finished)
    guest.process.send_signal(signal.SIGCONT)
    guest.end()
    assert guest.result == 1
    assert guest.stdout == "done\n"
    assert guest.exited and guest.exited["code"] == 0
