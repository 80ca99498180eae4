"""One program from source to `Finished`."""

from __future__ import annotations

import ast
import asyncio
import json
import linecache
import os
import sys
import warnings

from mcp_bridge_guest import modules, nested_loop
from mcp_bridge_guest.calls import Calls
from mcp_bridge_guest.calls import encode as encode_json
from mcp_bridge_guest.channel import Channel
from mcp_bridge_guest.frames import encode
from mcp_bridge_guest.proxies import Servers
from mcp_bridge_guest.records import ReadyRecord, ReadyTuple
from mcp_bridge_guest.report import failure, success

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from mcp_bridge_guest.frames import Payload

CO_COROUTINE = 0x80
# Where the last expression's value is kept; no identifier, so no program can have a variable of this name.
RESULT = "<result>"
SPARE = 512 * 1024
GRACE = 1.0  # seconds for tasks that are cancelled at the end


class Program:
    """What programs see: made before the first one comes. A worker runs one program, or the programs of a session,
    which share their variables and their event loop."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.calls = Calls(channel)
        self.servers = Servers(self.calls)
        self.loop = asyncio.new_event_loop()
        module = type(sys)("__main__")
        self.names = module.__dict__
        # What saved tools see, too.
        self.given: dict[str, Any] = {"asyncio": asyncio, "mcp_servers": self.servers}
        self.given["runtime"] = modules.install(self.calls, self.servers, channel.files, self.given)
        self.names.update(self.given, __builtins__=__builtins__)
        self.former, sys.modules["__main__"] = sys.modules["__main__"], module
        self.at_home = False
        self.spare: bytes | None = bytes(SPARE)  # given back when memory is short, to report with
        nested_loop.install()
        # A note says it better.
        warnings.filterwarnings("ignore", r"coroutine '(mcp_|runtime\.).*' was never awaited", RuntimeWarning)

    def begin(self, order: dict[str, Any]) -> None:
        """Take in one `Start`."""
        self.code: str = order["code"]
        self.filename: str = order["filename"]
        self.limit: int = order["result_limit"]
        self.notes: list[str] = []
        self.spare = self.spare or bytes(SPARE)
        self.calls.begin(self.filename)
        self.name_servers(order["servers"], order.get("requested"))
        self.names["__file__"] = self.filename
        sys.argv = [self.filename]
        modules.remember_source(self.filename, self.code)
        if not self.at_home:
            self.go_to(order.get("workspace"))
            self.at_home = True
        if self.loop.is_closed():  # by an earlier program
            self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)

    def name_servers(self, servers: list[dict[str, str]], requested: list[str] | None) -> None:
        """Give each server of this run its variable, and take away those of an earlier run that are not loaded now."""
        for alias, server in self.servers.by_alias().items():
            name = f"mcp_{alias}"
            self.given.pop(name, None)
            if self.names.get(name) is server:
                del self.names[name]
        self.servers.load(servers, requested)
        named = {f"mcp_{alias}": server for alias, server in self.servers.by_alias().items()}
        self.given.update(named)
        self.names.update(named)

    def go_to(self, workspace: str | None) -> None:
        """Make the workspace the current folder and the first place for imports; give the environment its folders."""
        home = "/tmp"
        if workspace and os.path.isdir(workspace):
            os.chdir(workspace)
            sys.path.insert(0, workspace)
            home = workspace
        if not os.access(os.environ.get("HOME", ""), os.W_OK):
            os.environ["HOME"] = home
        os.environ.setdefault("TMPDIR", "/tmp")

    def rehearse(self) -> None:
        """Go once through what each run does: a process that was forked finds its memory and its caches by using them,
        and the first program shall not wait for that."""
        code, nobody = "await asyncio.sleep(0)\n[0]", [{"name": "", "alias": ""}]
        order = {"code": code, "filename": "<rehearsal>", "result_limit": 100, "servers": nobody}
        self.at_home = True
        self.begin(json.loads(encode_json(order)))
        value = self.loop.run_until_complete(self.guarded())[0]
        self.end_tasks(self.loop)
        encode_json(success(value, self.limit, self.notes))
        self.name_servers([], None)
        linecache.cache.pop(self.filename)
        self.at_home = False

    def run(self, start: Payload) -> bool:
        """Run one program and report; whether another one may come."""
        order = json.loads(start)
        refusal = self.channel.files.refusal()
        if refusal is not None:
            body = {"outcome": "refused", "error": {"type": "FileNotWritten", "message": refusal}, "notes": []}
            self.channel.finish(encode(b"F", encode_json(body).encode("utf-8", "replace")))
            return bool(order.get("session"))
        self.begin(order)
        self.channel.begin()
        value: Any = None
        error: BaseException | None = None
        try:
            value, error = self.loop.run_until_complete(self.guarded())
        except BaseException as escaped:  # sys.exit in a task of the program's, or a loop that was broken
            error = escaped
        if os.getpid() != self.channel.process:
            self.leave_child(error)
        self.end_tasks(self.loop)
        for label, line in list(self.calls.unawaited.values())[:20]:
            self.notes.append(f"never awaited: {label} (line {line}); write `await {label}(...)`")
        if len(self.calls.unawaited) > 20:
            self.notes.append(f"and {len(self.calls.unawaited) - 20} more calls that were never awaited")
        self.channel.finish(self.finished(value, error))
        return bool(order.get("session"))

    async def guarded(self) -> tuple[Any, BaseException | None]:
        """Run the code. Its exceptions become values here: two kinds would tear down the event loop."""
        try:
            return await self.execute(), None
        except BaseException as error:
            return None, error

    async def execute(self) -> Any:
        """The value of the last expression, or None."""
        tree = ast.parse(self.code, self.filename)
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = tree.body[-1]
            kept = ast.copy_location(ast.Name(RESULT, ast.Store()), last)
            tree.body[-1] = ast.copy_location(ast.Assign([kept], last.value), last)
        code = compile(tree, self.filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
        running = eval(code, self.names)
        if code.co_flags & CO_COROUTINE:
            await running
        value = self.names.pop(RESULT, None)
        if hasattr(type(value), "__await__") and not isinstance(value, (ReadyRecord, ReadyTuple)):
            value = await value
        return value

    def leave_child(self, error: BaseException | None) -> NoReturn:
        """The end of a process that the program forked and that came back here: it has no report to make."""
        code = 0
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            code = 1
            print(failure(error, self)["error"]["traceback"], file=sys.stderr, end="")
        os._exit(code & 255)

    def end_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what still runs, and say so."""
        try:
            tasks = asyncio.all_tasks(loop)
            if not tasks or loop.is_closed():
                return
            names = [getattr(task.get_coro(), "__qualname__", repr(task)) for task in tasks]
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks, timeout=GRACE))
            what = "1 task was" if len(names) == 1 else f"{len(names)} tasks were"
            listed = ", ".join(sorted(set(names))[:10])
            self.notes.append(f"{what} still running when the program ended and cancelled: {listed}")
        except BaseException as error:
            self.notes.append(f"tasks were still running when the program ended; ending them failed: {error!r}"[:500])

    def finished(self, value: Any, error: BaseException | None) -> bytes:
        """The `Finished` frame."""
        self.spare = None
        if isinstance(error, SystemExit) and error.code in (None, 0):
            error = None
        try:
            body = success(value, self.limit, self.notes) if error is None else failure(error, self)
        except BaseException as fault:
            # The value's own code (__repr__ and the like) can fail in every way.
            body = failure(fault, self)
        body["notes"] = [note[:2000] for note in self.notes]
        return encode(b"F", encode_json(body).encode("utf-8", "replace"))
