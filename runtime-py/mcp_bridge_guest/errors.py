"""What can go wrong with a call, as exceptions a program can catch. Importable as `mcp.errors`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class McpError(Exception):
    """Base of all these errors. `hint`, when there is one, says what to do."""

    def __init__(
        self,
        message: str = "",
        *,
        hint: str | None = None,
        code: str | None = None,
        server: str | None = None,
        tool: str | None = None,
        content: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.server = server
        self.tool = tool
        self.content = content if content is not None else []

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message


class ToolError(McpError):
    """The tool ran and said no; `content` is what it said, block by block."""


class ToolNotFound(McpError, LookupError):
    """The server has no such tool."""


class ServerNotFound(McpError, KeyError):
    """No such server is loaded in this run."""


class ServerUnavailable(McpError, ConnectionError):
    """The server could not be started or reached."""


class CallTimeout(McpError, TimeoutError):
    """The call took longer than it may."""


class InvalidArguments(McpError, TypeError):
    """The arguments do not fit the tool, or are not JSON."""


class CallFailed(McpError):
    """The call failed in another way."""


class CallLimit(McpError):
    """The run has made as many calls as it may."""


class CallDenied(McpError, PermissionError):
    """The user was asked whether the call may be made, and did not allow it, or could not be asked."""


class InvalidRequest(McpError, ValueError):
    """The host did not understand what the runtime was asked for."""


ALL: dict[str, type[McpError]] = {
    kind.__name__: kind
    for kind in (
        McpError,
        ToolError,
        ToolNotFound,
        ServerNotFound,
        ServerUnavailable,
        CallTimeout,
        InvalidArguments,
        CallFailed,
        CallLimit,
        CallDenied,
        InvalidRequest,
    )
}
for _kind in ALL.values():
    _kind.__module__ = "mcp.errors"


def from_reply(error: dict[str, Any], server: str | None, tool: str | None) -> McpError:
    """The exception for a reply's `error`."""
    kind = ALL.get(error.get("type", ""), CallFailed)
    return kind(error.get("message", ""), hint=error.get("hint"), code=error.get("code"), server=server, tool=tool)
