"""`mcp_<alias>` and `mcp_servers`. A proxy knows no tools: whatever is asked of it goes to the host."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_bridge_guest.calls import Calls, tool_request
from mcp_bridge_guest.errors import ServerNotFound
from mcp_bridge_guest.records import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from typing import Any


class Tool:
    """One tool of one server. Calling it gives a coroutine."""

    __slots__ = ("__calls__", "__exact__", "__label__", "__server__", "__tool__")

    def __init__(self, calls: Calls, server: str, tool: str, exact: bool, label: str) -> None:
        self.__calls__ = calls
        self.__server__ = server
        self.__tool__ = tool
        self.__exact__ = exact
        self.__label__ = label

    def __call__(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        request = tool_request(self.__server__, self.__tool__, self.__exact__, args, kwargs, self.__label__)
        return self.__calls__.soon(request)

    def __getattr__(self, name: str) -> Any:
        if name[:2] == "__":
            raise AttributeError(name)
        raise AttributeError(f"{self.__label__} is a tool and has no {name!r}; call it: `await {self.__label__}(...)`")

    def __repr__(self) -> str:
        return f"<tool {self.__label__}; call it: await {self.__label__}(...)>"


class Server:
    """One server. Every attribute but a dunder is a tool by its alias, every item a tool by its original name."""

    __slots__ = ("__alias__", "__calls__", "__server__", "__tools__")

    def __init__(self, calls: Calls, server: str, alias: str) -> None:
        self.__tools__: dict[str, Tool] = {}
        self.__calls__ = calls
        self.__server__ = server
        self.__alias__ = alias

    def __getattr__(self, name: str) -> Tool:
        if name[:2] == "__" and name[-2:] == "__":
            raise AttributeError(name)
        tool = self.__tools__.get(name)
        if tool is None:
            tool = Tool(self.__calls__, self.__server__, name, False, f"mcp_{self.__alias__}.{name}")
            self.__tools__[name] = tool
        return tool

    def __getitem__(self, name: str) -> Tool:
        return Tool(self.__calls__, self.__server__, name, True, f"mcp_{self.__alias__}[{name!r}]")

    def __call__(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        request = tool_request(self.__server__, "", False, args, kwargs, f"mcp_{self.__alias__}")
        return self.__calls__.soon(request)

    # Without this, `in` and `for` would try the items 0, 1, 2... for ever.
    __iter__ = None
    __contains__ = None

    def __repr__(self) -> str:
        return (
            f"<MCP server {self.__server__!r}; tools: runtime.describe_server({self.__server__!r}); "
            f"call: await mcp_{self.__alias__}.<tool>(...)>"
        )


class Servers(Mapping):  # type: ignore[type-arg]
    """The servers loaded in this run, by name; an alias finds its server too."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.load([], None)

    def load(self, servers: list[dict[str, str]], requested: list[str] | None) -> None:
        """Take in the servers of a run: all that it may use, and those that it asked for."""
        self.known = {server["name"]: server["alias"] for server in servers}
        chosen = [
            server
            for server in servers
            if requested is None or server["name"] in requested or server["alias"] in requested
        ]
        self._servers = {server["name"]: Server(self._calls, server["name"], server["alias"]) for server in chosen}
        self._names = {server["alias"]: server["name"] for server in chosen}

    def __getitem__(self, name: str) -> Server:
        server = self._servers.get(name) or self._servers.get(self._names.get(name, ""))
        if server is None:
            raise self.missing(str(name))
        return server

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)

    def __repr__(self) -> str:
        return f"<mcp_servers: {', '.join(self._servers) or 'none'}>"

    def by_alias(self) -> dict[str, Server]:
        """Alias to server, of those that are loaded."""
        return {alias: self._servers[name] for alias, name in self._names.items()}

    def missing(self, name: str) -> ServerNotFound:
        """The error for a server that is not there, with what to do about it."""
        for known, alias in self.known.items():
            if name in (known, alias):
                hint = f"It exists, but this run was started without it: add {known!r} to servers=[...]."
                break
        else:
            close = nearest(name, [*self.known, *self.known.values()])
            own = self.known.get(close or "", close)
            hint = f"Did you mean {close!r}? Programs call it mcp_{own}. " if close else ""
            hint += f"Loaded servers: {', '.join(self._servers) or 'none'}."
        return ServerNotFound(f"MCP server {name!r} is not loaded", hint=hint, server=name)
