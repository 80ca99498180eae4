# expect: status=success result="both are here"
import os
import signal

for number in range(1, signal.NSIG):
    for target in (1, os.getppid()):
        try:
            os.kill(target, number)
        except OSError:
            pass
assert (await mcp_stub.echo(word="alive")).arguments.word == "alive"
"both are here"
