"""A client made with the official Python SDK, of either line, or with FastMCP's, unchanged: `sdk_client.py sdk|fastmcp BRIDGE [legacy]`.

BRIDGE is its command or its URL. Prints as JSON which client it was and what it saw: a tool of a real server, an elicitation answered, a
prompt, progress, a resource.
"""

import asyncio
import importlib.metadata
import json
import os
import sys

KIND, BRIDGE = sys.argv[1:3]
MODE = sys.argv[3] if len(sys.argv) > 3 else "auto"
IS_REMOTE = BRIDGE.startswith("http")
QUESTION = {"message": "Your name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}
ANSWER = {"name": "Ada"}


async def use(client, listens, protocol):
    """`listens`: the parameter under which a call takes who is told of progress."""
    steps = []

    async def progress(step, total, message):
        steps.append(step)

    def items(listed, kind):
        return listed if isinstance(listed, list) else getattr(listed, kind)

    tools = {tool.name for tool in items(await client.list_tools(), "tools")}
    prompts = {prompt.name for prompt in items(await client.list_prompts(), "prompts")}
    resources = {str(resource.uri) for resource in items(await client.list_resources(), "resources")}
    echo = await client.call_tool("everything__echo", {"message": "hi"})
    asked = await client.call_tool("wide__ask", {"method": "elicitation/create", "params": QUESTION})
    structured = getattr(asked, "structured_content", None) or asked.structuredContent
    await client.call_tool("wide__count", {"n": 3}, **{listens: progress})
    prompt = await client.get_prompt("everything__simple-prompt")
    resource = items(await client.read_resource("wide://one"), "contents")
    return {
        "version": importlib.metadata.version("fastmcp" if KIND == "fastmcp" else "mcp"),
        "protocol": protocol,
        "listed": ["everything__echo" in tools, "wide__hello" in prompts, "wide://one" in resources],
        "echo": echo.content[0].text,
        "name": structured["result"]["content"]["name"],
        "progress": steps,
        "prompt": prompt.messages[0].content.text,
        "resource": resource[0].text,
    }


async def fastmcp():
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

    async def elicited(message, kind, params, context):
        return ANSWER

    way = StreamableHttpTransport(BRIDGE) if IS_REMOTE else StdioTransport(BRIDGE, ["serve"], env=dict(os.environ))
    async with Client(way, mode=MODE, elicitation_handler=elicited) as client:
        return await use(client, "progress_handler", client.protocol_version)


async def sdk():
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.types import ElicitResult

    async def elicited(context, params):
        return ElicitResult(action="accept", content=ANSWER)

    started = StdioServerParameters(command=BRIDGE, args=["serve"], env=dict(os.environ))
    try:
        from mcp import Client
    except ImportError:
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(BRIDGE) if IS_REMOTE else stdio_client(started) as streams:
            async with ClientSession(streams[0], streams[1], elicitation_callback=elicited) as session:
                return await use(session, "progress_callback", (await session.initialize()).protocolVersion)
    from mcp.client.streamable_http import streamable_http_client

    way = streamable_http_client(BRIDGE) if IS_REMOTE else stdio_client(started)
    async with Client(way, mode=MODE, elicitation_callback=elicited) as client:
        return await use(client, "progress_callback", client.protocol_version)


print(json.dumps(asyncio.run(fastmcp() if KIND == "fastmcp" else sdk())))
