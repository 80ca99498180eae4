"""`runtime`: what a program can ask besides calling tools. Every awaited function has a `_sync` twin."""

from __future__ import annotations

import sys

from mcp_bridge_guest import errors
from mcp_bridge_guest.calls import Calls, Request, tool_request
from mcp_bridge_guest.content import Media
from mcp_bridge_guest.records import ReadyRecord, ReadyTuple, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mcp_bridge_guest.files import Files
    from mcp_bridge_guest.proxies import Server, Servers


def name_of(server: str | Server) -> str:
    """A server's name, from the name or from its proxy."""
    return server if isinstance(server, str) else str(server.__server__)


def list_servers(detailed: bool = False) -> Request:
    """Every server this run may use: names, or with `detailed` objects."""
    return Request("list_servers", {"detailed": bool(detailed)}, tuple)


def list_tools(server: str | Server) -> Request:
    """The tools of a server: name, alias, signature, description."""
    return Request("list_tools", {"server": name_of(server)})


def query_tool_docs(server: str | Server, tool: str | None = None, detail: str = "summary") -> Request:
    """Docs of a server's tools, or of one; `detail` is "name", "summary" or "full"."""
    return Request("query_tool_docs", {"server": name_of(server), "tool": tool, "detail": detail})


def search_tool_docs(
    query: str, *, limit: int = 5, detail: str = "summary", server: str | Server | None = None
) -> Request:
    """The tools that fit a description best, over all servers or in one."""
    where = None if server is None else name_of(server)
    return Request("search_tool_docs", {"query": query, "limit": limit, "detail": detail, "server": where})


def capability_summary() -> Request:
    """A short text on what can be done here."""
    return Request("capability_summary", {})


def call_tool(
    server: str | Server,
    tool: str,
    arguments: dict[str, Any] | None = None,
    /,
    *,
    raw: bool = False,
    timeout: float | None = None,
    **kwargs: Any,
) -> Request:
    """Call a tool by its names. `raw` gives the whole result as the server sent it; `timeout` is the deadline of the
    call in seconds (a parameter of the tool that is called so goes into `arguments`)."""
    given = {**(arguments or {}), **kwargs}
    if timeout is not None:
        given["_timeout"] = timeout
    name = name_of(server)
    return tool_request(name, tool, False, (), given, f"runtime.call_tool({name!r}, {tool!r})", raw)


def save_tool(function: Callable[..., Any] | str, name: str | None = None, description: str | None = None) -> Request:
    """Keep a function, or the source of one, for later programs: `from mcp.tools import <name>`."""
    if isinstance(function, str):
        source = function
        name = name or last_definition(source)
    else:
        import inspect
        import textwrap

        plain: Any = inspect.unwrap(function)
        try:
            source = textwrap.dedent(inspect.getsource(plain))
        except (OSError, TypeError):
            raise errors.InvalidArguments("save_tool: no source for this object; pass the source as text") from None
        name = name or plain.__name__
        description = description or (inspect.getdoc(plain) or "").partition("\n")[0]
    if not name or not name.isidentifier():
        raise errors.InvalidArguments(f"save_tool: {name!r} cannot be a tool's name; pass name='...'")
    return Request("save_tool", {"name": name, "source": source, "description": description or ""})


def last_definition(source: str) -> str | None:
    """The name of the last function that a source defines."""
    import ast

    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise errors.InvalidArguments(f"save_tool: the source does not compile: {error}") from None
    names = [each.name for each in body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return names[-1] if names else None


def list_saved_tools() -> Request:
    """The tools that were saved."""
    return Request("list_saved_tools", {})


def describe_server(server: str | Server) -> Request:
    """A server and its tools, with schemas."""
    return Request("describe_server", {"server": name_of(server)}, ReadyRecord)


def loaded_servers() -> Request:
    """Metadata of the servers loaded in this run."""
    return Request("loaded_servers", {}, ReadyTuple)


AWAITED = (
    list_servers,
    list_tools,
    query_tool_docs,
    search_tool_docs,
    capability_summary,
    call_tool,
    save_tool,
    list_saved_tools,
)


def install(calls: Calls, servers: Servers, sent: Files) -> ModuleType:
    """The module `mcp.runtime`."""
    module = type(sys)("mcp.runtime", "What a program can ask the bridge, besides calling tools.")

    def publish(build: Callable[..., Request], make: Callable[[Request], Any], name: str) -> None:
        def function(*args: Any, **kwargs: Any) -> Any:
            return make(build(*args, **kwargs))

        function.__name__ = function.__qualname__ = name
        function.__module__ = "mcp.runtime"
        function.__doc__ = build.__doc__
        function.__wrapped__ = build  # type: ignore[attr-defined]  # for help() and inspect.signature()
        setattr(module, name, function)

    for build in AWAITED:
        publish(build, calls.soon, build.__name__)
        publish(build, calls.now, build.__name__ + "_sync")
    for name in ("describe_server", "describe_server_sync"):
        publish(describe_server, calls.now, name)
    for name in ("list_loaded_server_metadata", "list_loaded_server_metadata_sync"):
        publish(loaded_servers, calls.now, name)

    def discovered_servers(detailed: bool = False) -> ReadyTuple:
        """The names of all servers this run may use, at no cost; with `detailed` the host is asked."""
        return ReadyTuple(calls.now(list_servers(True)) if detailed else servers.known)

    def files() -> ReadyTuple:
        """Paths of the files that were sent with this run, and with earlier runs of its session."""
        from pathlib import Path

        return ReadyTuple(Path(path) for path in sent.paths.values())

    members = module.__dict__
    members["discovered_servers"] = discovered_servers
    members["files"] = files
    members.update(errors.ALL)
    members.update(Record=Record, Media=Media)
    return module
