"""`runtime`: every function, awaited and not, and saved tools."""

from __future__ import annotations

from typing import Any

import pytest
from host import Failure, run, structured

Call = dict[str, Any]
META = {"name": "stub", "alias": "stub", "tools": [{"name": "echo", "alias": "echo", "description": "Echo"}]}


def host(call: Call) -> Any:
    answers: dict[str, Any] = {
        "list_servers": [META] if call.get("detailed") else ["stub", "other"],
        "loaded_servers": [META],
        "describe_server": META,
        "list_tools": META["tools"],
        "query_tool_docs": META["tools"],
        "search_tool_docs": [{"server": "stub", "name": "echo", "score": 1.5}],
        "capability_summary": "You can echo.",
        "save_tool": {"name": call.get("name"), "path": "/x"},
        "list_saved_tools": [{"name": "greet"}],
    }
    return answers[call["op"]] if call["op"] in answers else structured(call)


@pytest.mark.parametrize(
    ("name", "arguments", "sent", "value"),
    [
        ("list_servers", "", {"detailed": False}, ["stub", "other"]),
        ("list_servers", "detailed=True", {"detailed": True}, [META]),
        ("list_tools", "mcp_stub", {"server": "stub"}, META["tools"]),
        (
            "query_tool_docs",
            "'stub', 'echo', detail='full'",
            {"server": "stub", "tool": "echo", "detail": "full"},
            META["tools"],
        ),
        (
            "search_tool_docs",
            "'say', limit=2",
            {"query": "say", "limit": 2, "detail": "summary", "server": None},
            [{"server": "stub", "name": "echo", "score": 1.5}],
        ),
        ("capability_summary", "", {}, "You can echo."),
        ("list_saved_tools", "", {}, [{"name": "greet"}]),
        ("save_tool", "'def f(): pass'", {"name": "f", "source": "def f(): pass"}, {"name": "f", "path": "/x"}),
    ],
)
def test_awaited_functions_and_their_twins(name: str, arguments: str, sent: Call, value: Any) -> None:
    done = run(
        f"(await runtime.{name}({arguments}), runtime.{name}_sync({arguments}))", host, servers=[("stub", "stub")]
    )
    assert done.result == [value, value]
    for call in done.calls:
        assert sent.items() <= call.items()


@pytest.mark.parametrize("name", ["describe_server", "describe_server_sync"])
def test_describe_server_with_and_without_await(name: str) -> None:
    code = f"r = runtime.{name}('stub')\n(r.tools[0].alias, (await r)['name'], runtime.{name}('stub'))"
    assert run(code, host).result == ["echo", "stub", META]


def test_servers_without_the_host() -> None:
    code = """
assert runtime.discovered_servers() == ("a-b", "c") == await runtime.discovered_servers()
runtime.discovered_servers()
"""
    done = run(code, host, servers=[("a-b", "a_b"), ("c", "c")])
    assert done.result == ["a-b", "c"]
    assert done.calls == []
    assert run("runtime.discovered_servers(detailed=True)", host).result == [META]


def test_call_tool() -> None:
    code = """
a = await runtime.call_tool("stub", "echo", {"timeout": 1, "x": 2}, timeout=5, y=3)
b = await runtime.call_tool(mcp_stub, "echo", raw=True)
(a.kwargs, b.structuredContent.tool)
"""
    done = run(code, host, servers=[("stub", "stub")])
    assert done.result == [{"timeout": 1, "x": 2, "y": 3, "_timeout": 5}, "echo"]


def test_help_shows_the_signature() -> None:
    code = "import inspect\nstr(inspect.signature(runtime.search_tool_docs_sync)), runtime.list_tools.__doc__"
    signature, doc = run(code).result
    assert signature.startswith("(query: 'str', *, limit: 'int' = 5")
    assert "tools of a server" in doc


def test_save_tool_sends_the_functions_own_source() -> None:
    code = '''
import functools
def noted(f):
    @functools.wraps(f)
    def g(*a): return f(*a)
    return g
if True:
    @noted
    def greet(name):
        """Say hello.

        More."""
        return "hello " + name
await runtime.save_tool(greet)
'''
    call = run(code, host).calls[0]
    assert call["name"] == "greet" and call["description"] == "Say hello."
    assert call["source"].startswith("@noted\ndef greet(name):\n")


@pytest.mark.parametrize("argument", ["len", "'x = 1'", "'def'", "lambda: 1"])
def test_what_cannot_be_saved(argument: str) -> None:
    error = run(f"await runtime.save_tool({argument})", host).error
    assert error["type"] == "InvalidArguments" and "save_tool" in error["message"]


def test_saved_tools_are_imported() -> None:
    def answer(call: Call) -> Any:
        if call["op"] == "load_saved_tool":
            if call["name"] != "greet":
                raise Failure("ToolNotFound", "no saved tool 'gret'", "Did you mean 'greet'?")
            return {"name": "greet", "source": "async def greet(n):\n    return await mcp_x.t(n=n)"}
        return structured(call["kwargs"])

    code = "from mcp.tools import greet\nfrom mcp.tools import greet as again\n(await greet(1), greet is again)"
    done = run(code, answer)
    assert done.result == [{"n": 1}, True]
    error = run("from mcp.tools import gret", answer).error
    assert error["type"] == "ImportError" and "Did you mean 'greet'?" in error["message"]


def test_a_saved_tool_that_fails_shows_its_line() -> None:
    def answer(call: Call) -> Any:
        return {"name": "bad", "source": "def bad():\n    return 1 / 0\n"}

    trace = run("from mcp.tools import bad\nbad()", answer).error["traceback"]
    assert 'File "<saved tool bad>", line 2, in bad\n    return 1 / 0' in trace
