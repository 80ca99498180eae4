"""One thing to do about an error, where that can be known."""

from __future__ import annotations

import errno
import linecache
import re

from mcp_bridge_guest.errors import McpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NO_NETWORK = (
    "The sandbox has no network, by design. Reach the outside through MCP servers: await mcp_<server>.<tool>(...)."
)
UNREACHABLE = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.ECONNREFUSED,
    errno.EAFNOSUPPORT,
}
PROCESSES = "The sandbox is out of processes or threads: start fewer, or raise MCP_BRIDGE_PIDS."
BY_ERRNO = {
    errno.ENOSPC: "The sandbox's /tmp and /workspace are in memory and small: keep less on disk.",
    errno.EROFS: "The sandbox's file system is read-only: write to /workspace or /tmp.",
    errno.EAGAIN: PROCESSES,
    errno.ENOMEM: "The sandbox is out of memory: use less at a time, or raise MCP_BRIDGE_MEMORY.",
}
SYNTAX = (
    ("'return' outside function", "The program is no function: put the value on the last line, as an expression."),
    ("'await' outside async function", "Write `async def` for the function around it, and await its calls."),
    ("asynchronous comprehension outside", "Write `async def` for the function around it, and await its calls."),
    ("'async with' outside", "Write `async def` for the function around it, and await its calls."),
    ("'async for' outside", "Write `async def` for the function around it, and await its calls."),
)
SHADOWED = re.compile(r"([\w\])]+)\.(items|keys|values|get|pop|copy|update|clear|setdefault|popitem)\b(?!\s*\()")


def hint_for(error: BaseException, has_unawaited: bool) -> str | None:
    """The hint for an error, or for what caused it."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return None
        hint = own_hint(seen, has_unawaited)
        if hint:
            return hint
        seen = seen.__cause__ or seen.__context__
    return None


def own_hint(error: BaseException, has_unawaited: bool) -> str | None:
    """The hint for one exception."""
    if isinstance(error, McpError):
        return error.hint
    try:
        text = str(error)
    except Exception:
        return None
    if isinstance(error, MemoryError):
        # The parser's word for a source nested too deep; no memory was short.
        return None if "too complex" in text else BY_ERRNO[errno.ENOMEM]
    if isinstance(error, SyntaxError):
        return next((hint for words, hint in SYNTAX if words in text), None)
    if isinstance(error, ModuleNotFoundError):
        if (error.name or "").startswith("mcp"):
            return None
        return (
            "Only the standard library and what the sandbox's image holds can be imported; "
            "MCP_BRIDGE_IMAGE chooses another image."
        )
    if isinstance(error, EOFError) and "reading a line" in text:
        return "Nobody can answer input() here: put the values into the program."
    if type(error).__name__ == "gaierror":
        return NO_NETWORK
    if isinstance(error, OSError):
        if error.errno in UNREACHABLE:
            return NO_NETWORK
        return BY_ERRNO.get(error.errno or 0)
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return PROCESSES
    if isinstance(error, (TypeError, AttributeError)):
        if "coroutine" in text and has_unawaited:
            return "A call was not awaited: write `await mcp_<server>.<tool>(...)`."
        if "method" in text:
            return shadowed(error)
    return None


def shadowed(error: BaseException) -> str | None:
    """For `result.items` where "items" is a key: the attribute is the dict's method."""
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return None
    line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    found = SHADOWED.search(line)
    if found is None:
        return None
    return f'`.{found[2]}` is a method of every result; for the key write {found[1]}["{found[2]}"].'
