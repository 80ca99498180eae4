"""Requests to the host, awaited or waited for, and a list of those that were made and never awaited."""

from __future__ import annotations

import json
import sys

from mcp_bridge_guest.content import result_value
from mcp_bridge_guest.errors import CallFailed, InvalidArguments, from_reply
from mcp_bridge_guest.frames import MAX_FRAME
from mcp_bridge_guest.plain import NotPlain, plain
from mcp_bridge_guest.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mcp_bridge_guest.channel import Channel
    from mcp_bridge_guest.frames import Payload


def encoder() -> Callable[[Any], str]:
    """What json.dumps does with values of JSON types, made once: json makes its encoder anew for each text."""
    python = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return python.encode
    quoted = json.encoder.encode_basestring
    chunks = make(None, python.default, quoted, None, ": ", ", ", False, False, False)
    return lambda value: "".join(chunks(value, 0))


encode = encoder()
# Made once for the same reason.
decode = json.JSONDecoder(object_pairs_hook=Record).decode


class Request:
    """One question to the host. `shape` turns the answer into what the program gets."""

    def __init__(
        self,
        op: str,
        operands: dict[str, Any],
        shape: Callable[[Any], Any] | None = None,
        label: str | None = None,
    ) -> None:
        self.label = label or f"runtime.{op}"
        self.server: str | None = operands.get("server")
        self.tool: str | None = operands.get("tool")
        self.shape = shape
        try:
            self.text = encode({"op": op, **plain(operands, "", True)})
        except NotPlain as problem:
            message = f"{self.label}: {readable(str(problem))}"
            raise InvalidArguments(message, server=self.server, tool=self.tool) from None
        if len(self.text) * 4 > MAX_FRAME and len(self.text.encode()) > MAX_FRAME - 64:
            raise InvalidArguments(f"{self.label}: the arguments are {len(self.text)} characters long, over 64 MiB")

    def answer(self, payload: Payload) -> Any:
        """The value in a reply, or its error raised."""
        try:
            reply = decode(payload.decode())
        except RecursionError:
            # How deep Python reads differs between its versions.
            message = f"{self.label}: the answer is nested too deep to be read"
            raise CallFailed(message, server=self.server, tool=self.tool) from None
        if "error" in reply:
            raise from_reply(reply["error"], self.server, self.tool)
        return self.shape(reply["ok"]) if self.shape else reply["ok"]


def readable(problem: str) -> str:
    """A place within the operands, said in the program's terms: `['kwargs']['x'][0]` is `argument 'x'[0]`."""
    for operands, words in (("['kwargs'][", "argument "), ("['args'][", "positional argument "), ("[", "")):
        if problem.startswith(operands):
            name, _, rest = problem[len(operands) :].partition("]")
            return words + name + rest
    return problem


def tool_request(
    server: str, tool: str, exact: bool, args: Any, kwargs: dict[str, Any], label: str, raw: bool = False
) -> Request:
    """The request to call a tool."""
    operands = {"server": server, "tool": tool, "exact": exact, "args": list(args), "kwargs": kwargs}
    shape = None if raw else lambda result: result_value(result, server, tool)
    return Request("call_tool", operands, shape, label)


class Calls:
    """Makes requests. `unawaited` holds label and line of the coroutines that have not begun."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._filename = ""
        self._made = 0
        self.unawaited: dict[int, tuple[str, int]] = {}

    def begin(self, filename: str) -> None:
        """A program comes, of this name."""
        self._filename = filename
        self.unawaited.clear()

    def soon(self, request: Request) -> Coroutine[Any, Any, Any]:
        """A real coroutine that makes the request when it is awaited."""
        self._made += 1
        coroutine: Any = self._make(self._made, request)
        coroutine.__name__ = coroutine.__qualname__ = request.label
        self.unawaited[self._made] = (request.label, self._line())
        return coroutine  # type: ignore[no-any-return]

    def now(self, request: Request) -> Any:
        """Make the request and wait for the answer."""
        return request.answer(self._channel.ask_and_wait(request.text))

    async def _make(self, ticket: int, request: Request) -> Any:
        self.unawaited.pop(ticket, None)
        return request.answer(await self._channel.ask(request.text))

    def _line(self) -> int:
        """The line of the program that is running."""
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename == self._filename:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return 0
