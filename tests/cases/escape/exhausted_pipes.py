# expect: status=success result="still here"
# Every descriptor a pipe, in the program and in children: tools still answer (file-max, pipe-user-pages-hard)
held = []
for _ in range(3):
    if os.fork() == 0:
        try:
            while True:
                held.append(os.pipe())
        except OSError:
            import time

            time.sleep(1000)
try:
    while True:
        held.append(os.pipe())
except OSError:
    pass
(await mcp_stub.echo(word="still here")).arguments.word
