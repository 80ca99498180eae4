"""The official Python client: starts the server that the arguments name, and calls its tool `echo`.

A line `one N` makes N calls one after another, `all N` makes them in one `gather`. Answers with milliseconds as JSON: of each call, or of all.
"""

import asyncio
import json
import sys
import time

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def one(session: ClientSession, count: int) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for number in range(count):
        begun = time.perf_counter()
        await session.call_tool("echo", {"n": number})
        took.append((time.perf_counter() - begun) * 1e3)
    return took


async def together(session: ClientSession, count: int) -> list[float]:
    """Milliseconds of all."""
    begun = time.perf_counter()
    await asyncio.gather(*[session.call_tool("echo", {"n": number}) for number in range(count)])
    return [(time.perf_counter() - begun) * 1e3]


async def main() -> None:
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:])
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        # Nothing else happens between two lines, so waiting for one may block.
        for line in sys.stdin:
            what, count = line.split()
            print(json.dumps(await (one if what == "one" else together)(session, int(count))), flush=True)


asyncio.run(main())
