"""`import mcp...` inside a program: runtime, errors, servers and saved tools."""

from __future__ import annotations

import linecache
import sys
from importlib.machinery import ModuleSpec

from mcp_bridge_guest import errors, runtime_api
from mcp_bridge_guest.calls import Calls, Request
from mcp_bridge_guest.records import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mcp_bridge_guest.files import Files
    from mcp_bridge_guest.proxies import Servers


class Finder:
    """Finds what is ready in `ready`, and `mcp.servers.<alias>`, before anything that the image calls `mcp`."""

    def __init__(self, ready: dict[str, ModuleType], servers: Servers) -> None:
        self.ready = ready
        self.servers = servers

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Called by `import`."""
        if name in self.ready:
            return ModuleSpec(name, self, is_package=name in ("mcp", "mcp.servers"))  # type: ignore[arg-type]
        if name.startswith("mcp.servers."):
            alias = name[len("mcp.servers.") :]
            if alias not in self.servers:
                raise ModuleNotFoundError(str(self.servers.missing(alias)), name=name)
            return ModuleSpec(name, self)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> Any:
        """A server's proxy serves as its module: `from mcp.servers.x import tool` takes an attribute."""
        return self.ready.get(spec.name) or self.servers[spec.name.rpartition(".")[2]]

    def exec_module(self, module: Any) -> None:
        """Nothing is left to do."""


def install(calls: Calls, servers: Servers, files: Files, visible: dict[str, Any]) -> ModuleType:
    """Make the modules importable; `visible` are the names that saved tools see. Returns `mcp.runtime`."""

    def lazy(name: str, doc: str, getter: Callable[[str], Any]) -> ModuleType:
        module = type(sys)(name, doc)

        def find(attribute: str) -> Any:
            if attribute[:2] == "__":
                raise AttributeError(attribute)
            return getter(attribute)

        module.__getattr__ = find  # type: ignore[method-assign]
        return module

    def top(name: str) -> Any:
        if f"mcp.{name}" in ready:
            __import__(f"mcp.{name}")
            return ready[f"mcp.{name}"]
        close = nearest(name, ("runtime", "servers", "tools", "errors"))
        meant = f"; did you mean {close!r}?" if close else ""
        raise ImportError(
            f"cannot import {name!r} from 'mcp'{meant} Here `mcp` is the bridge's own module, with runtime, servers, "
            "tools and errors; it is not the MCP SDK."
        )

    def server(name: str) -> Any:
        if name not in servers:
            raise ImportError(str(servers.missing(name)))
        return servers[name]

    def saved(name: str) -> Any:
        value = load_saved_tool(calls, name, visible)
        setattr(ready["mcp.tools"], name, value)
        return value

    members = type(sys)("mcp.errors", errors.__doc__)
    members.__dict__.update(errors.ALL)
    ready = {
        "mcp": lazy("mcp", "The bridge: runtime, servers, tools, errors.", top),
        "mcp.runtime": runtime_api.install(calls, servers, files),
        "mcp.errors": members,
        "mcp.servers": lazy("mcp.servers", "The servers loaded in this run.", server),
        "mcp.tools": lazy("mcp.tools", "Tools that earlier programs saved.", saved),
    }
    sys.meta_path.insert(0, Finder(ready, servers))
    return ready["mcp.runtime"]


def load_saved_tool(calls: Calls, name: str, visible: dict[str, Any]) -> Any:
    """Fetch a saved tool and run its source; the value is what the source calls `name`."""
    try:
        found = calls.now(Request("load_saved_tool", {"name": name}))
    except errors.McpError as error:
        raise ImportError(str(error), name=f"mcp.tools.{name}") from None
    filename = f"<saved tool {name}>"
    source = found["source"]
    remember_source(filename, source)
    module = type(sys)(f"mcp.tools.{name}")
    module.__dict__.update(visible, __file__=filename)
    sys.modules[module.__name__] = module
    exec(compile(source, filename, "exec", 0, True), module.__dict__)
    return module.__dict__.get(name, module)


def remember_source(filename: str, source: str) -> None:
    """Let tracebacks and `inspect` find a source that is in no file. The last line, too, must end with a newline:
    the carets of tracebacks are placed by that."""
    lines = [line + "\n" for line in source.split("\n")]
    linecache.cache[filename] = (len(source), None, lines, filename)
