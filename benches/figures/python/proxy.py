"""FastMCP's proxy over HTTP in front of one server over stdio, with one connection to it that stays: a port, then the server's command."""

import asyncio
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy


async def main() -> None:
    port, command, *arguments = sys.argv[1:]
    async with Client(StdioTransport(command, arguments)) as client:
        proxy = create_proxy(client, name="proxy")
        await proxy.run_http_async(
            show_banner=False, host="127.0.0.1", port=int(port), log_level="error", json_response=True
        )


asyncio.run(main())
