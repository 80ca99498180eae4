# expect: status=success result="still here"
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
(await mcp_stub.echo(word="still here")).arguments.word
