# expect: status=success result="both are here"
import os
import signal

for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
    try:
        os.kill(-1, number)
    except OSError:
        pass
assert (await mcp_stub.echo(word="alive")).arguments.word == "alive"
"both are here"
