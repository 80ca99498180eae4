"""How a run ended, as the members of `Finished`."""

from __future__ import annotations

import json
import linecache
import re
import traceback

from mcp_bridge_guest.errors import McpError
from mcp_bridge_guest.hints import hint_for
from mcp_bridge_guest.plain import NotPlain, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_bridge_guest.program import Program

TRACEBACK_LIMIT = 8000
MESSAGE_LIMIT = 4000


def success(value: Any, limit: int, notes: list[str]) -> dict[str, Any]:
    """The report of a program that ran to its end."""
    report = {"outcome": "ok", "result": None, "has_result": value is not None, "result_repr": False}
    if value is None:
        return report
    try:
        report["result"] = plain(value, "result", False)
        text = json.dumps(report["result"], ensure_ascii=False)
    except (NotPlain, ValueError, RecursionError):
        report["result"] = text = represent(value)
        report["result_repr"] = True
    size = len(text.encode("utf-8", "replace"))
    if size > limit or (report["result_repr"] and encoded_size(text) > limit):
        report["result_repr"] = True
        report["result"] = fitting(text, limit)
        notes.append(
            f"the result was cut: {size} bytes, of which {limit} are allowed; print or return only what is needed"
        )
    return report


def represent(value: Any) -> str:
    """The value's repr, or a word on why it has none."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: its repr failed with {type(error).__name__}>"


def encoded_size(text: str) -> int:
    """How many bytes a text takes as JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


def fitting(text: str, limit: int) -> str:
    """The beginning of a text, as much as fits into `limit` bytes of JSON."""
    length = min(len(text), max(limit - 8, 0))
    while length and encoded_size(text[:length]) > limit - 3:
        length = length * 3 // 4
    return text[:length] + "…"


def failure(error: BaseException, program: Program) -> dict[str, Any]:
    """The report of a program that raised."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__", "mcp.errors"):
        name = f"{kind.__module__}.{name}"
    message = message_of(error)
    trace = trace_of(error)
    described: dict[str, Any] = {"type": name, "traceback": trace}
    missing = missing_server(error)
    if missing:
        # The name of a server that is not there: say so, as the user guide does.
        absent = program.servers.missing(missing)
        described["traceback"] = trace.replace(message, absent.message)
        message, described["hint"] = absent.message, absent.hint
    else:
        described["hint"] = hint_for(error, bool(program.calls.unawaited))
    if not described["hint"]:
        del described["hint"]
    described["message"] = middle_cut(message, MESSAGE_LIMIT)
    described["traceback"] = middle_cut(described["traceback"], TRACEBACK_LIMIT)
    return {"outcome": "error", "error": described}


def message_of(error: BaseException) -> str:
    """What the exception says, without its hint."""
    if isinstance(error, McpError):
        return error.message
    try:
        if isinstance(error, SystemExit):
            code = error.code
            return f"the program exited with status {code}" if isinstance(code, int) else str(code)
        if isinstance(error, KeyError) and len(error.args) == 1:
            return f"key {error.args[0]!r} not found"
        return str(error)
    except Exception as fault:
        return f"<its message could not be made: {type(fault).__name__}>"


def missing_server(error: BaseException) -> str | None:
    """xyz, if the error is that no name mcp_xyz is defined."""
    if isinstance(error, NameError):
        found = re.match(r"name 'mcp_(\w+)' is not defined", str(error))
        if found and found[1] != "servers":
            return found[1]
    return None


def trace_of(error: BaseException) -> str:
    """The traceback, without frames of ours. Causes and groups are kept."""
    if isinstance(error, SyntaxError) and error.text is None and error.filename:
        # Python's compiler looks for the line in a file of that name.
        error.text = linecache.getline(error.filename, error.lineno or 0) or None
    try:
        whole = traceback.TracebackException(type(error), error, error.__traceback__)
        without_ours(whole, 0)
        return "".join(whole.format())
    except Exception as fault:
        return f"{type(error).__name__} (its traceback could not be formatted: {type(fault).__name__})\n"


def without_ours(whole: traceback.TracebackException | None, depth: int) -> None:
    """Drop our frames, here and in what led here."""
    if whole is None or depth > 50:
        return
    stack = [frame for frame in whole.stack if not frame.filename.startswith("<mcp-bridge>")]
    if not depth and isinstance(whole.exc_type, type) and issubclass(whole.exc_type, SyntaxError) and is_parse(stack):
        stack = []  # the program never ran: what stands there is our way into the parser
    whole.stack = traceback.StackSummary.from_list(stack)
    without_ours(whole.__cause__, depth + 1)
    without_ours(whole.__context__, depth + 1)
    for each in getattr(whole, "exceptions", None) or ():
        without_ours(each, depth + 1)


def is_parse(stack: list[traceback.FrameSummary]) -> bool:
    """Whether a stack is only that of `ast.parse`."""
    return len(stack) == 1 and stack[0].name == "parse" and stack[0].filename.endswith("ast.py")


def middle_cut(text: str, limit: int) -> str:
    """A text, without its middle if it is too long."""
    if len(text) <= limit:
        return text
    head = text[: limit // 3]
    tail = text[-(limit - limit // 3) :]
    return f"{head}\n... {len(text) - limit} characters left out ...\n{tail}"
