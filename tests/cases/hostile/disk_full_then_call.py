# expect: status=success result="still here"
import os

try:
    with open("/tmp/full", "wb") as file:
        while True:
            file.write(b"x" * (1 << 20))
except OSError:
    pass
print("printed with a full disk")
(await mcp_stub.echo(word="still here")).arguments.word
