# expect: status=success timeout=60 result="done"
for _ in range(20_000):
    mcp_stub.echo(word="never awaited")
"done"
