# expect: status=success result="done"
for _ in range(20_000):
    mcp_stub.echo(word="never awaited")
"done"
