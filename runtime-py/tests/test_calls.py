"""Calls: arguments out, results in, in every way Python can wait."""

from __future__ import annotations

from typing import Any

import pytest
from host import Failure, Held, Run, run, structured, text

Call = dict[str, Any]


def echo(call: Call) -> Any:
    return structured({"tool": call["tool"], "args": call["args"], "kwargs": call["kwargs"]})


def test_a_call_carries_what_was_given() -> None:
    done = run("await mcp_x.tool(1, 'two', name='n', self=3, timeout=60)", echo)
    assert done.calls == [
        {
            "id": 1,
            "op": "call_tool",
            "server": "x",
            "tool": "tool",
            "exact": False,
            "args": [1, "two"],
            "kwargs": {"name": "n", "self": 3, "timeout": 60},
        }
    ]
    assert done.result["tool"] == "tool"


def test_original_names_by_item_and_a_server_called_itself() -> None:
    done = run("await mcp_x['get-item'](id=1); await mcp_x(2)", echo)
    assert [(call["tool"], call["exact"]) for call in done.calls] == [("get-item", True), ("", False)]


def test_no_tool_name_clashes_with_the_proxy() -> None:
    names = ["call", "_calls", "server", "items", "keys", "name", "list_tools", "_server", "__x"]
    code = "".join(f"await mcp_x.{name}()\n" for name in names)
    assert [call["tool"] for call in run(code, echo).calls] == names


def test_dunders_call_nothing() -> None:
    code = """
import copy, inspect
copy.copy(mcp_x), inspect.unwrap(mcp_x.tool), inspect.iscoroutinefunction(mcp_x.tool), repr(mcp_x), repr(mcp_x.a)
hasattr(mcp_x, "__foo__"), hasattr(mcp_x.a, "b")
"""
    done = run(code)
    assert done.calls == []
    assert done.result == [False, False]


def test_a_tool_has_no_tools() -> None:
    error = run("await mcp_x.a.b()").error
    assert error["type"] == "AttributeError"
    assert "mcp_x.a is a tool" in error["message"]


CONVERTED = """
import pathlib, datetime, enum, dataclasses, collections, uuid, decimal
@dataclasses.dataclass
class D:
    a: int
class E(enum.Enum):
    A = "a"
class S(str, enum.Enum):
    B = "b"
await mcp_x.t(p=pathlib.Path("/a"), d=datetime.date(2020, 1, 2), s={2, 1}, t=(1, (2,)), k=D(1), e=E.A, b=S.B,
    n={1: None}, r=range(2), o=collections.OrderedDict(a=1), v={"q": 1}.keys(), u=uuid.UUID(int=0), i=True,
    m=decimal.Decimal("1.5"))
"""


def test_what_has_a_json_form_gets_it() -> None:
    assert run(CONVERTED, echo).calls[0]["kwargs"] == {
        "p": "/a",
        "d": "2020-01-02",
        "s": [1, 2],
        "t": [1, [2]],
        "k": {"a": 1},
        "e": "a",
        "b": "b",
        "n": {"1": None},
        "r": [0, 1],
        "o": {"a": 1},
        "v": ["q"],
        "u": "00000000-0000-0000-0000-000000000000",
        "i": True,
        "m": "1.5",
    }


def test_integers_are_passed_to_the_last_digit() -> None:
    done = run("await mcp_x.t(2**64, x=[-2**63 - 1, {10**30: 10**308}])", echo)
    assert done.calls[0]["args"] == [2**64]
    assert done.calls[0]["kwargs"] == {"x": [-(2**63) - 1, {str(10**30): 10**308}]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("x=b'1'", "argument 'x' is bytes"),
        ("x=[1, {'y': float('nan')}]", "argument 'x'[1]['y'] is nan"),
        ("x=10**400", "argument 'x' is an integer beyond"),
        ("x={-(10**5000): 1}", "argument 'x' is an integer beyond"),
        ("x='\\ud800'", "argument 'x' holds a lone surrogate"),
        ("object()", "positional argument 0 is of the type object"),
        ("x=mcp_x.other()", "argument 'x' is a coroutine"),
        ("x={(1, 2): 3}", "argument 'x' has the key (1, 2)"),
        ("x=deep", "nested more than"),
    ],
)
def test_what_has_no_json_form_is_named(arguments: str, words: str) -> None:
    code = f"deep = []\nfor _ in range(500): deep = [deep]\nawait mcp_x.tool({arguments})"
    done = run(code)
    assert done.error["type"] == "InvalidArguments"
    assert "mcp_x.tool" in done.error["message"] and words in done.error["message"]
    assert done.calls == []


@pytest.mark.parametrize(
    ("reply", "expression", "value"),
    [
        ({"content": []}, "r", None),
        (text("plain"), "r", "plain"),
        (text('{"a": [{"b": 1}]}'), "r.a[0].b", 1),
        (text("NaN"), "r", "NaN"),
        (text("[" * 100_000), "len(r)", 100_000),
        (structured({"items": [{"id": 7}]}), "(r['items'][0].id, list(r.items())[0][0])", [7, "items"]),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "2"}]}, "r", ["a", 2]),
        (
            {"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}]},
            "(r.kind, r.data.decode(), r.mime_type)",
            ["image", "hi", "image/png"],
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "u", "mimeType": "m", "text": "t"}}]},
            "(r.uri, r.mime_type, r.text, r.data)",
            ["u", "m", "t", None],
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "u", "blob": "aGk="}}]},
            "(r.data.decode(), r.text)",
            ["hi", None],
        ),
        ({"content": [{"type": "resource_link", "uri": "u", "name": "n"}]}, "(r.uri, r.name)", ["u", "n"]),
        ({"content": [{"type": "new", "x": {"y": 1}}]}, "r.x.y", 1),
    ],
)
def test_results(reply: Any, expression: str, value: Any) -> None:
    done = run(f"r = await mcp_x.t()\n{expression}", lambda call: reply)
    assert done.result == value


def test_records_are_dicts() -> None:
    code = """
import json, pickle, copy
r = await mcp_x.t()
r.b = 2; r.a.c = 3; del r.gone
same = pickle.loads(pickle.dumps(r)) == copy.deepcopy(r) == r == {"a": {"c": 3}, "b": 2}
missing = None
try: r.aa
except AttributeError as error: missing = str(error)
(same, json.dumps(r), missing, isinstance(copy.copy(r).a, dict))
"""
    same, dumped, missing, nested = run(code, lambda call: structured({"a": {}, "gone": 1})).result
    assert same and nested
    assert dumped == '{"a": {"c": 3}, "b": 2}'
    assert "did you mean 'a'" in missing or "keys: a, b" in missing


def test_a_key_behind_a_method_is_hinted_at() -> None:
    done = run("r = await mcp_x.t()\nfor item in r.items:\n    pass", lambda call: structured({"items": []}))
    assert done.error["type"] == "TypeError"
    assert 'r["items"]' in done.error["hint"]


def test_a_tool_that_says_no_raises() -> None:
    code = """
from mcp.errors import ToolError
try:
    await mcp_x.t()
except ToolError as error:
    caught = error
(str(caught), caught.message, caught.content, caught.server, caught.tool, caught is not None,
 isinstance(caught, runtime.McpError), runtime.ToolError is ToolError)
"""
    reply = {"isError": True, "content": [{"type": "text", "text": "no such file"}]}
    assert run(code, lambda call: reply).result == [
        "no such file",
        "no such file",
        ["no such file"],
        "x",
        "t",
        True,
        True,
        True,
    ]


def test_an_uncaught_error_shows_only_the_program() -> None:
    def answer(call: Call) -> Any:
        raise Failure("ToolNotFound", "no tool 'tt'", "Did you mean 't'?")

    error = run("async def f():\n    return await mcp_x.tt()\nawait f()", answer).error
    assert error["type"] == "ToolNotFound"
    assert error["message"] == "no tool 'tt'"
    assert error["hint"] == "Did you mean 't'?"
    assert error["traceback"].count('File "') == 2
    assert 'File "program.py", line 2, in f' in error["traceback"]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("CallTimeout", "TimeoutError"),
        ("ServerNotFound", "KeyError"),
        ("InvalidArguments", "TypeError"),
        ("ToolNotFound", "LookupError"),
        ("ServerUnavailable", "runtime.McpError"),
        ("SomethingNew", "runtime.CallFailed"),
    ],
)
def test_errors_have_useful_bases_and_readable_text(name: str, base: str) -> None:
    def answer(call: Call) -> Any:
        raise Failure(name, "what happened", "do this")

    code = f"""
import pickle
try:
    await mcp_x.t()
except {base} as error:
    caught = pickle.loads(pickle.dumps(error))
(str(caught), caught.code)
"""
    assert run(code, answer).result == ["what happened\nHint: do this", "test.code"]


def test_a_thousand_calls_at_once_answered_backwards() -> None:
    guest = Run("sum(r.n for r in await asyncio.gather(*[mcp_x.t(n=i) for i in range(1000)]))", lambda call: Held())
    guest.until(lambda: len(guest.held) == 1000)
    for number in reversed(guest.held):
        guest.reply(number, structured({"n": guest.calls[number - 1]["kwargs"]["n"]}))
    assert guest.end().result == sum(range(1000))


def test_ten_thousand_calls() -> None:
    done = run("len(await asyncio.gather(*[mcp_x.t(n=i, pad='x' * 100) for i in range(10_000)]))", echo)
    assert done.result == 10_000


def test_large_arguments_and_results() -> None:
    done = run(
        "rs = await asyncio.gather(*[mcp_x.t(pad='é' * 1_000_000) for i in range(5)])\n"
        "[r.kwargs.pad == 'é' * 1_000_000 for r in rs]",
        echo,
    )
    assert done.result == [True] * 5


def test_every_way_to_wait() -> None:
    code = """
import sys
task = asyncio.create_task(mcp_x.a())
b = await asyncio.wait_for(mcp_x.b(), 10)
c = [await f for f in asyncio.as_completed([mcp_x.c()])]
if sys.version_info >= (3, 11):
    async with asyncio.TaskGroup() as group:
        group.create_task(mcp_x.d())
await task
asyncio.iscoroutine(mcp_x.e()), (await asyncio.to_thread(runtime.call_tool_sync, "x", "f")).tool
"""
    done = run(code, echo)
    assert done.result == [True, "f"]


def test_a_cancelled_call_is_cancelled_at_the_host() -> None:
    code = """
try:
    await asyncio.wait_for(mcp_x.slow(), 0.01)
except asyncio.TimeoutError:
    pass
(await mcp_x.quick()).tool
"""
    done = run(code, lambda call: Held() if call["tool"] == "slow" else echo(call))
    assert done.cancelled == [1]
    assert done.result == "quick"


def test_sync_calls_inside_async_code_while_others_wait() -> None:
    guest = Run(
        """
task = asyncio.create_task(mcp_x.first())
await asyncio.sleep(0)
second = runtime.call_tool_sync("x", "second")
(await task).tool, second.tool
""",
        lambda call: Held() if call["tool"] == "first" else echo(call),
    )
    guest.until(lambda: len(guest.calls) == 2)
    guest.reply(1, structured({"tool": "first"}))
    assert guest.end().result == ["first", "second"]


def test_sync_calls_from_many_threads_and_the_loop_at_once() -> None:
    code = """
import threading
found = []
def work(n):
    for i in range(25):
        found.append(runtime.call_tool_sync("x", "t", n=n * 25 + i).kwargs.n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
for t in threads: t.start()
for i in range(50):
    await mcp_x.t(n=i)
runtime.call_tool_sync("x", "t", n=-1)
await asyncio.to_thread(lambda: [t.join() for t in threads])
sorted(found) == list(range(500))
"""
    assert run(code, echo).result is True


def test_loops_in_threads() -> None:
    code = """
def other():
    async def main():
        return [r.kwargs.n for r in await asyncio.gather(*[mcp_x.t(n=i) for i in range(50)])]
    return asyncio.run(main())
sum(sum(each) for each in await asyncio.gather(*[asyncio.to_thread(other) for _ in range(4)]))
"""
    assert run(code, echo).result == 4 * sum(range(50))


@pytest.mark.parametrize(
    "how",
    [
        "asyncio.run(main())",
        "asyncio.get_event_loop().run_until_complete(main())",
        "asyncio.new_event_loop().run_until_complete(main())",
        "asyncio.Runner().run(main()) if hasattr(asyncio, 'Runner') else asyncio.run(main())",
    ],
)
def test_a_loop_inside_the_loop(how: str) -> None:
    code = f"""
async def main():
    here = asyncio.current_task()
    a, b = await asyncio.gather(mcp_x.a(), mcp_x.b())
    assert asyncio.current_task() is here
    return a.tool + b.tool + runtime.call_tool_sync("x", "c").tool
before = asyncio.current_task()
outer = asyncio.create_task(mcp_x.z())
await asyncio.sleep(0)
if __name__ == "__main__":
    result = {how}
assert asyncio.current_task() is before
(result, (await outer).tool, (await mcp_x.d()).tool)
"""
    assert run(code, echo).result == ["abc", "z", "d"]


def test_a_deep_reply_is_an_error_of_that_call() -> None:
    deep = "[" * 200_000 + "]" * 200_000
    caught = "try:\n    await mcp_x.deep()\nexcept runtime.CallFailed:\n    print('too deep')\n"
    guest = Run(caught + "(await mcp_x.t()).tool")
    guest.answer = lambda call: Held() if call["tool"] == "deep" else echo(call)
    guest.until(lambda: guest.held)
    guest.send(b"R", b'{"id":1,"ok":{"structuredContent":' + deep.encode() + b"}}")
    assert guest.end().result == "t"
    assert guest.stdout in ("too deep\n", "")


def test_calls_never_awaited_are_told() -> None:
    done = run("mcp_x.lost()\nx = [mcp_x.also() for _ in range(2)]\ndel x\nruntime.list_servers()\n1")
    assert done.calls == []
    assert done.notes == [
        "never awaited: mcp_x.lost (line 1); write `await mcp_x.lost(...)`",
        "never awaited: mcp_x.also (line 2); write `await mcp_x.also(...)`",
        "never awaited: mcp_x.also (line 2); write `await mcp_x.also(...)`",
        "never awaited: runtime.list_servers (line 4); write `await runtime.list_servers(...)`",
    ]
    assert done.stderr == ""


def test_using_a_call_that_was_not_awaited_is_hinted_at() -> None:
    error = run("r = mcp_x.t()\nr['a']").error
    assert "await" in error["hint"]


def test_a_call_as_the_last_expression_is_awaited() -> None:
    assert run("mcp_x.t()", echo).result["tool"] == "t"
