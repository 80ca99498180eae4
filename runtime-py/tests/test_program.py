"""Programs: what they may write, and what is reported of them."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from host import Run, run, structured


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("", None),
        ("x = 1", None),
        ("1 + 1", 2),
        ("await asyncio.sleep(0, 'slept')", "slept"),
        ("asyncio.sleep(0, 'slept')", "slept"),
        ("asyncio.create_task(asyncio.sleep(0, 5))", 5),
        ("(1, (2,))", [1, [2]]),
        ("from __future__ import annotations\ndef f(x: Unknown): pass\nf.__annotations__", {"x": "Unknown"}),
        ("__name__, __file__", ["__main__", "program.py"]),
        ("import sys; sys.argv", ["program.py"]),
        ("import sys; sys.modules['__main__'].__dict__ is globals()", True),
        ("def f():\n    return x\nx = 3\nf()", 3),
        ("import sys; sys.exit()", None),
        ("import sys; sys.exit(0)", None),
        ("'a' if True else 'b';", "a"),
    ],
)
def test_values(code: str, result: Any) -> None:
    done = run(code)
    assert done.result == result
    assert done.finished and done.finished["has_result"] is (result is not None)
    assert done.exited and done.exited["code"] == 0
    assert done.notes == []


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("{1, 2}", "{1, 2}"),
        ("{1: 2}", "{1: 2}"),
        ("float('nan')", "nan"),
        ("[10**30]", f"[{10**30}]"),
        ("b'x'", "b'x'"),
        ("'\\ud800'", "\\ud800"),
        ("x = []; x.append(x); x", "[[...]]"),
        ("class A:\n    def __repr__(self): 1/0\nA()", "<A: its repr failed with ZeroDivisionError>"),
    ],
)
def test_values_that_are_not_json_are_shown(code: str, shown: str) -> None:
    done = run(code)
    assert done.finished and done.finished["result_repr"] is True
    if shown == "\\ud800":
        assert "ud800" in done.result
    else:
        assert done.result == shown


@pytest.mark.parametrize("code", ["'é' * 5000", "['x' * 100] * 100", "b'x' * 5000", "'\\n' * 5000"])
def test_a_large_result_is_cut_and_said_to_be(code: str) -> None:
    done = run(code, limit=1000)
    assert done.finished and done.finished["result_repr"] is True
    assert 200 < len(done.result) <= 1000
    assert "1000 are allowed" in done.notes[0]


def test_top_level_async_syntax() -> None:
    code = """
class C:
    async def __aenter__(self): return 1
    async def __aexit__(self, *e): pass
async def g():
    yield 1
async with C() as c: pass
async for i in g(): pass
[c + j async for j in g()] + [i]
"""
    assert run(code).result == [2, 1]


def test_sources_can_be_found() -> None:
    code = """
import inspect, dataclasses, pickle
@dataclasses.dataclass
class D:
    a: int
def f():
    return 1
inspect.getsource(f), pickle.loads(pickle.dumps(D(1))) == D(1)
"""
    assert run(code).result == ["def f():\n    return 1\n", True]


def test_a_syntax_error_shows_the_line() -> None:
    error = run("x = 1\ny = = 2\n").error
    assert error["type"] == "SyntaxError"
    assert "line 2" in error["message"]
    assert error["traceback"].startswith('  File "program.py", line 2\n    y = = 2\n')
    assert "^" in error["traceback"]


def test_a_runtime_error_shows_the_programs_frames_only() -> None:
    error = run("import json\ndef f(t):\n    return json.loads(t)\nf('{')").error
    assert error["type"] == "json.decoder.JSONDecodeError"
    frames = [line.split(",")[0] for line in error["traceback"].splitlines() if line.startswith('  File "')]
    assert frames[:2] == ['  File "program.py"'] * 2
    assert "mcp-bridge" not in error["traceback"]
    assert "return json.loads(t)" in error["traceback"]


def test_causes_and_groups_are_kept() -> None:
    code = "try:\n    1/0\nexcept Exception as e:\n    raise ValueError('v') from e"
    trace = run(code).error["traceback"]
    assert "ZeroDivisionError" in trace and "direct cause" in trace and "ValueError: v" in trace
    code = "e = ValueError('inner')\nimport sys\nraise ExceptionGroup('g', [e]) if sys.version_info > (3, 11) else e"
    assert "ValueError: inner" in run(code).error["traceback"]


@pytest.mark.parametrize(
    ("code", "kind", "message", "hint"),
    [
        ("import sys; sys.exit(3)", "SystemExit", "the program exited with status 3", None),
        ("import sys; sys.exit('bad')", "SystemExit", "bad", None),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "", None),
        ("async def f(): raise SystemExit(2)\nawait asyncio.create_task(f())", "SystemExit", "status 2", None),
        ("def f(): f()\nf()", "RecursionError", "recursion", None),
        ("input()", "EOFError", "", "input()"),
        ("return 1", "SyntaxError", "'return' outside function", "last line"),
        ("def f():\n    await g()", "SyntaxError", "'await' outside async function", "async def"),
        ("import nonexistent_thing", "ModuleNotFoundError", "nonexistent_thing", "MCP_BRIDGE_IMAGE"),
        ("raise MemoryError", "MemoryError", "", "MCP_BRIDGE_MEMORY"),
        ('raise RuntimeError("can\'t start new thread")', "RuntimeError", "thread", "MCP_BRIDGE_PIDS"),
        ("import errno\nraise BlockingIOError(errno.EAGAIN, 'x')", "BlockingIOError", "x", "MCP_BRIDGE_PIDS"),
        ("import errno\nraise OSError(errno.ENETUNREACH, 'x')", "OSError", "x", "no network"),
        ("import socket\nraise socket.gaierror(-3, 'x')", "socket.gaierror", "x", "no network"),
        ("import errno\nraise OSError(errno.ENOSPC, 'x')", "OSError", "x", "/tmp"),
        ("import errno\nraise OSError(errno.EROFS, 'x')", "OSError", "x", "/workspace"),
        ("class E(Exception): pass\nraise E('mine')", "E", "mine", None),
        ("{}['k']", "KeyError", "'k'", None),
        ("class E(Exception):\n    def __str__(self): 1/0\nraise E", "E", "could not be made", None),
        ("code = chr(0); compile('a' + code, 'f', 'exec')", None, "null bytes", None),
        ("asyncio.current_task().cancel(); await asyncio.sleep(1)", "asyncio.exceptions.CancelledError", "", None),
    ],
)
def test_errors(code: str, kind: str | None, message: str, hint: str | None) -> None:
    error = run(code).error
    if kind:
        assert error["type"] == kind
    assert message in error["message"]
    assert hint is None or hint in error["hint"]


def test_null_bytes_in_the_program() -> None:
    assert "null bytes" in run("a\0b").error["message"]


def test_a_long_traceback_loses_its_middle() -> None:
    code = "def f(n):\n    try:\n        1/0\n    except Exception:\n        if n: f(n - 1)\n        raise\nf(100)"
    trace = run(code).error["traceback"]
    assert len(trace) < 9000
    assert "left out" in trace
    assert trace.endswith("ZeroDivisionError: division by zero\n")


def test_tasks_left_are_cancelled_and_told() -> None:
    code = """
async def forever():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned")
for _ in range(2): asyncio.create_task(forever())
await asyncio.sleep(0)
"""
    done = run(code)
    assert done.notes == ["2 tasks were still running when the program ended and cancelled: forever"]
    assert done.stdout == "cleaned\ncleaned\n"


def test_threads_left_do_not_hold_the_report() -> None:
    code = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n'done'"
    assert run(code).result == "done"


def test_output_in_order_whoever_writes() -> None:
    code = """
import os, subprocess, sys
print("a", end="")
print("b", file=sys.stderr)
print(end="c")
os.write(1, b"-")
subprocess.run(["echo", "d"])
sys.stdout.buffer.write(b"\\xff")
print("\\ud800 \\u20ac")
sys.stderr.write("e\\n")
print()
"""
    done = run(code, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    joined: list[tuple[str, bytes]] = []
    for kind, data in done.output:
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + data)
        else:
            joined.append((kind, data))
    assert joined == [
        ("O", b"a"),
        ("E", b"b\n"),
        ("O", b"c-d\n\xff" + "\\ud800 €\n".encode()),
        ("E", b"e\n"),
        ("O", b"\n"),
    ]


def test_the_workspace_is_home(tmp_path: pathlib.Path) -> None:
    (tmp_path / "helper.py").write_text("value = 42\n")
    code = "import os, helper\n(os.getcwd(), helper.value, os.environ['HOME'], os.environ['TMPDIR'])"
    done = run(code, workspace=str(tmp_path), env={"PATH": "/usr/bin:/bin"})
    assert done.result == [str(tmp_path), 42, str(tmp_path), "/tmp"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("await mcp_git_hubb.t()", "NameError"),
        ("mcp_servers['git_hubb']", "ServerNotFound"),
        ("from mcp.servers import git_hubb", "ImportError"),
        ("import mcp.servers.git_hubb", "ModuleNotFoundError"),
        ("from mcp.servers.git_hubb import x", "ModuleNotFoundError"),
    ],
)
def test_a_server_that_is_not_there(code: str, kind: str) -> None:
    error = run(code, servers=[("git-hub", "git_hub"), ("x", "x")]).error
    assert error["type"] == kind
    assert "MCP server 'git_hubb' is not loaded" in error["message"]
    assert "git_hub" in error["message"] + error.get("hint", "")


def test_a_server_that_was_not_requested() -> None:
    servers = [("git-hub", "git_hub"), ("x", "x")]
    for code in ("mcp_git_hub.t()", "mcp_servers['git-hub']"):
        error = run(code, servers=servers, requested=["x"]).error
        assert "is not loaded" in error["message"]
        assert "add 'git-hub' to servers=[...]" in error["hint"]
    assert run("list(mcp_servers), runtime.discovered_servers()", servers=servers, requested=["x"]).result == [
        ["x"],
        ["git-hub", "x"],
    ]


def test_servers_as_a_mapping_and_as_modules() -> None:
    code = """
import mcp.servers.git_hub as g
import mcp.runtime
from mcp import runtime as r, servers, errors
from mcp.servers import git_hub
from mcp.servers.git_hub import tool
assert g is git_hub is mcp_git_hub is mcp_servers["git-hub"] is mcp_servers["git_hub"] is servers.git_hub
assert r is runtime is mcp.runtime and errors.ToolError is r.ToolError
await tool(a=1)
(list(mcp_servers), len(mcp_servers), "git-hub" in mcp_servers, "nope" in mcp_servers, mcp_servers.get("nope"))
"""
    done = run(code, lambda call: structured({}), servers=[("git-hub", "git_hub")])
    assert done.result == [["git-hub"], 1, True, False, None]
    assert (done.calls[0]["server"], done.calls[0]["tool"]) == ("git-hub", "tool")


def test_the_sdk_is_not_mistaken_for_us() -> None:
    error = run("from mcp import ClientSession").error
    assert error["type"] == "ImportError" and "not the MCP SDK" in error["message"]


def test_a_prepared_sandbox_waits() -> None:
    guest = Run()
    guest.until(lambda: guest.hello)
    assert guest.hello and guest.hello["version"] == 1 and guest.hello["sealed"] is True
    guest.send(b"S", guest.start("40 + 2", [], None, 1000, "/"))
    assert guest.end().result == 42
