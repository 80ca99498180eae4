#!/usr/bin/env python3
"""A client made with the `mcp` package: runs a program that waits until its progress has been seen.

    python3 progress_client.py BRIDGE ARGUMENT...

Prints {"told": messages, "increasing": bool, "result": ...}. The environment is passed on.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

PROGRAM = "print('before the gate')\nawait mcp_slow.wait()\n'done'"


async def main() -> None:
    told: list[tuple[float, str]] = []
    seen = asyncio.Event()

    async def on_progress(progress: float, total: "float | None", message: "str | None") -> None:
        told.append((progress, message or ""))
        everything = " ".join(text for _, text in told)
        if "before the gate" in everything and "calling slow.wait" in everything:
            seen.set()

    bridge = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ))
    async with stdio_client(bridge) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        run = asyncio.create_task(
            session.call_tool("run_python", {"code": PROGRAM, "timeout": 60}, progress_callback=on_progress)
        )
        await asyncio.wait_for(seen.wait(), 60)
        await session.call_tool("run_python", {"code": "await mcp_slow.open()"})
        result = await run
    numbers = [number for number, _ in told]
    report = getattr(result, "structured_content", None) or getattr(result, "structuredContent", None)
    increasing = all(a < b for a, b in zip(numbers, numbers[1:]))
    print(json.dumps({"told": [text for _, text in told], "increasing": increasing, "result": report["result"]}))


asyncio.run(main())
