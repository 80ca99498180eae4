"""Builds the bundle as the host does (`src/guest/PROTOCOL.md`, "Boot block"). Run it to write the bundle to stdout."""

from __future__ import annotations

import json
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).parent / "mcp_bridge_guest"
LOADER = (PACKAGE / "loader.py").read_text()


def bundle() -> bytes:
    """`SOURCES = `, the JSON object of module names and texts, a newline, boot.py."""
    sources = {}
    for path in sorted(PACKAGE.glob("*.py")):
        if path.name == "__init__.py":
            sources["mcp_bridge_guest"] = path.read_text()
        elif path.name not in ("loader.py", "boot.py"):
            sources[f"mcp_bridge_guest.{path.stem}"] = path.read_text()
    return b"SOURCES = " + json.dumps(sources).encode() + b"\n" + (PACKAGE / "boot.py").read_bytes()


def boot_block() -> bytes:
    """The first bytes on the input."""
    source = bundle()
    return len(source).to_bytes(4, "big") + source


if __name__ == "__main__":
    sys.stdout.buffer.write(bundle())
