"""The official Python SDK as a client of the bridge, whichever line of it this Python has: `python sdk_client.py COMMAND`.

Prints what it saw as JSON: a tool of a real server, an elicitation answered, a prompt, progress, a resource.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ElicitResult

SERVER = StdioServerParameters(command=sys.argv[1], args=["serve"], env=dict(os.environ))
QUESTION = {"message": "Your name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}


async def elicited(context, params):
    return ElicitResult(action="accept", content={"name": "Ada"})


async def seen(client):
    steps = []

    async def progress(step, total, message):
        steps.append(step)

    tools = (await client.list_tools()).tools
    assert any(tool.name == "everything__echo" for tool in tools), tools
    echo = await client.call_tool("everything__echo", {"message": "hi"})
    asked = await client.call_tool("wide__ask", {"method": "elicitation/create", "params": QUESTION})
    structured = getattr(asked, "structured_content", None) or asked.structuredContent
    await client.call_tool("wide__count", {"n": 3}, progress_callback=progress)
    prompts = (await client.list_prompts()).prompts
    resource = await client.read_resource("wide://one")
    return {
        "echo": echo.content[0].text,
        "name": structured["result"]["content"]["name"],
        "prompt": any(prompt.name == "wide__hello" for prompt in prompts),
        "progress": steps,
        "resource": resource.contents[0].text,
    }


async def main():
    try:
        from mcp import Client
    except ImportError:
        async with stdio_client(SERVER) as (reading, writing):
            async with ClientSession(reading, writing, elicitation_callback=elicited) as session:
                await session.initialize()
                return await seen(session)
    async with Client(stdio_client(SERVER), mode="auto", elicitation_callback=elicited) as client:
        return await seen(client)


print(json.dumps(asyncio.run(main())))
