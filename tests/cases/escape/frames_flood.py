# expect: status=success timeout=60 result="CallLimit"
# Calls without end, none of them awaited before the next: there is a number of them that one run may make (denial of service by requests)
import asyncio

try:
    await asyncio.gather(*[mcp_stub.echo(number=number) for number in range(2_000)])
    name = "none"
except Exception as error:
    name = type(error).__name__
name
