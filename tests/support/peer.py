"""An MCP server of the official SDK, whichever line of it this Python has, over the transport asked for.

    python peer.py http|sse|ws [--port N | --socket PATH] [--tls CERTIFICATE KEY [--client-ca FILE]]

Prints `port N` (0 behind a Unix socket) on stdout when it is about to serve. Tools: `echo`, `sleep`, `grow` (one tool more, announced).
"""

import argparse
import asyncio
import socket
import sys

import uvicorn

try:
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import Context
    from mcp.server.fastmcp import FastMCP as Server

server = Server("peer", instructions="A peer.")


@server.tool()
def echo(text: str) -> str:
    return text


@server.tool()
async def sleep(seconds: float) -> str:
    print("busy", flush=True)
    await asyncio.sleep(seconds)
    return "slept"


@server.tool()
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "later", name="later", description="One more.")
    if hasattr(ctx, "notify_tools_changed"):
        # Those who listen, in the newer era.
        await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "grown"


def websocket_app():
    from mcp.server.websocket import websocket_server

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        async with websocket_server(scope, receive, send) as (reading, writing):
            inner = server._mcp_server
            await inner.run(reading, writing, inner.create_initialization_options())

    return app


options = argparse.ArgumentParser()
options.add_argument("transport", choices=["http", "sse", "ws"])
options.add_argument("--tls", nargs=2)
options.add_argument("--client-ca")
options.add_argument("--socket")
options.add_argument("--port", type=int, default=0)
given = options.parse_args()

def any_host():
    # Behind a Unix socket there is no host to be checked.
    from mcp.server.transport_security import TransportSecuritySettings

    return TransportSecuritySettings(enable_dns_rebinding_protection=False)


def http_app():
    return server.streamable_http_app(transport_security=any_host()) if given.socket else server.streamable_http_app()


def sse_app():
    if given.socket:
        # Of the older line.
        server.settings.transport_security = any_host()
    return server.sse_app()


app = {"http": http_app, "sse": sse_app, "ws": websocket_app}[given.transport]()
more = {}
if given.tls:
    more.update(ssl_certfile=given.tls[0], ssl_keyfile=given.tls[1])
if given.client_ca:
    import ssl

    more.update(ssl_ca_certs=given.client_ca, ssl_cert_reqs=ssl.CERT_REQUIRED)
if given.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(given.socket)
    port = 0
else:
    listener = socket.socket()
    # A port that was served a moment ago can be served again at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", given.port))
    port = listener.getsockname()[1]
listener.listen(128)
print("port", port, flush=True)
websockets = "websockets-sansio" if given.transport == "ws" else "none"
config = uvicorn.Config(app, log_level="warning", ws=websockets, **more)
uvicorn.Server(config).run(sockets=[listener])
sys.exit(0)
