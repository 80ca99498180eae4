"""A client made with the official Python SDK, or FastMCP's, unchanged: `web_client.py KIND URL TOKEN`.

KIND is http, sse or ws (the SDK's line 1.x), auto or legacy (its line 2.x), or fastmcp.

Shakes hands, lists the tools, runs a program that writes before it ends, and prints what it saw as JSON.
"""

import asyncio
import json
import sys

# Longer than the pause between two looks at what a program writes.
CODE = "import asyncio\nprint('begun', flush=True)\nawait asyncio.sleep(1)\n40 + 2"


async def use(session, progress):
    await session.initialize()
    tools = (await session.list_tools()).tools
    result = await session.call_tool(
        "run_python", {"code": CODE}, progress_callback=progress
    )
    return {
        "tools": [tool.name for tool in tools],
        "result": (getattr(result, "structuredContent", None) or getattr(result, "structured_content"))["result"],
    }


async def older(kind, url, headers):
    """The line 1.x: a transport, and a session over it."""
    from mcp import ClientSession

    told = []

    async def progress(done, total, message):
        told.append(message)

    if kind == "http":
        from mcp.client.streamable_http import streamablehttp_client as connect

        transport = connect(url + "/mcp", headers=headers)
    elif kind == "sse":
        from mcp.client.sse import sse_client

        transport = sse_client(url + "/sse", headers=headers)
    else:
        from mcp.client.websocket import websocket_client

        transport = websocket_client(url.replace("http", "ws", 1) + "/ws")
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        seen = await use(session, progress)
    return {**seen, "told": told}


async def newer(url, headers, mode):
    """The line 2.x: a client that speaks both eras."""
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    told = []

    async def progress(done, total, message):
        told.append(message)

    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(url + "/mcp", http_client=http), mode=mode) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool(
                "run_python", {"code": CODE}, progress_callback=progress
            )
            return {
                "tools": [tool.name for tool in tools],
                "result": result.structured_content["result"],
                "version": client.protocol_version,
                "told": told,
            }


async def fastmcp(url, headers):
    from fastmcp import Client
    from fastmcp.client.transports import StreamableHttpTransport

    told = []

    async def progress(done, total, message):
        told.append(message)

    async with Client(StreamableHttpTransport(url + "/mcp", headers=headers)) as client:
        tools = await client.list_tools()
        result = await client.call_tool("run_python", {"code": CODE}, progress_handler=progress)
        return {
            "tools": [tool.name for tool in tools],
            "result": result.structured_content["result"],
            "told": told,
        }


async def main():
    kind, url, token = sys.argv[1:4]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if kind in ("auto", "legacy"):
        seen = await newer(url, headers, kind)
    elif kind == "fastmcp":
        seen = await fastmcp(url, headers)
    else:
        seen = await older(kind, url, headers)
    print(json.dumps(seen))


asyncio.run(main())
