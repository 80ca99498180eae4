# expect: status=success result="InvalidArguments"
deep = []
for _ in range(100_000):
    deep = [deep]
try:
    await mcp_stub.echo(deep=deep)
except runtime.InvalidArguments as error:
    name = type(error).__name__
name
