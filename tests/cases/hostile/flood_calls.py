# expect: status=error error=CallLimit timeout=60
import asyncio

await asyncio.gather(*[mcp_stub.echo(n=n) for n in range(1000)])
