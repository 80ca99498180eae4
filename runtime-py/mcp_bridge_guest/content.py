"""From an MCP tool result to a Python value."""

from __future__ import annotations

import binascii
import json

from mcp_bridge_guest.errors import ToolError
from mcp_bridge_guest.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def refuse(constant: str) -> None:
    """NaN and its like are not JSON, though Python reads them."""
    raise ValueError(constant)


decode = json.JSONDecoder(object_pairs_hook=Record, parse_constant=refuse).decode


class Media:
    """An image, a sound, a resource or a link to one. What does not apply is None."""

    def __init__(
        self,
        kind: str,
        mime_type: str | None,
        data: bytes | None = None,
        text: str | None = None,
        uri: str | None = None,
        name: str | None = None,
    ) -> None:
        self.kind = kind
        self.mime_type = mime_type
        self.data = data
        self.text = text
        self.uri = uri
        self.name = name

    def __repr__(self) -> str:
        parts = [self.kind, *(part for part in (self.name, self.uri, self.mime_type) if part)]
        if self.data is not None:
            parts.append(f"{len(self.data)} bytes")
        if self.text is not None:
            parts.append(f"{len(self.text)} characters")
        return f"<{' '.join(parts)}>"


Media.__module__ = "mcp.runtime"


def result_value(result: Any, server: str, tool: str) -> Any:
    """What a call gives: the structured content, else the blocks, few as they are; an error result is raised."""
    blocks = result.get("content") or []
    if result.get("isError"):
        texts = [block.get("text", "") for block in blocks if block.get("type") == "text"]
        message = "\n".join(text for text in texts if text)
        if not message:
            structured = result.get("structuredContent")
            message = json.dumps(structured) if structured else "the tool reported an error without a text"
        raise ToolError(message, server=server, tool=tool, content=[block_value(block) for block in blocks])
    if result.get("structuredContent") is not None:
        return result["structuredContent"]
    values = [block_value(block) for block in blocks]
    if len(values) == 1:
        return values[0]
    return values or None


def block_value(block: Any) -> Any:
    """One content block as a value; a kind that is not known stays as it came."""
    kind = block.get("type")
    if kind == "text":
        return text_value(block.get("text", ""))
    if kind in ("image", "audio"):
        return Media(kind, block.get("mimeType"), data=decoded(block.get("data", "")))
    if kind == "resource":
        resource = block.get("resource") or {}
        blob = resource.get("blob")
        return Media(
            "resource",
            resource.get("mimeType"),
            data=None if blob is None else decoded(blob),
            text=resource.get("text"),
            uri=resource.get("uri"),
        )
    if kind == "resource_link":
        return Media("resource_link", block.get("mimeType"), uri=block.get("uri"), name=block.get("name"))
    return block


def decoded(text: str) -> bytes:
    """Base64 text as bytes; what is no base64 is passed on as it is."""
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return text.encode()


def text_value(text: str) -> Any:
    """JSON where the text is JSON, else the text."""
    if text.lstrip()[:1] not in tuple('{["-0123456789tfn'):
        return text
    try:
        return decode(text)
    except (ValueError, RecursionError):
        return text
