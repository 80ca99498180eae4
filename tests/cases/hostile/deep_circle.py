# expect: status=success result="InvalidArguments"
circle = {}
circle["self"] = circle
try:
    await mcp_stub.echo(circle=circle)
except runtime.InvalidArguments as error:
    name = type(error).__name__
name
