# expect: status=success result="still here"
# Three hundred grandchildren, five times the limit of processes, lose their parent: PID 1 takes them up and nothing fills (double fork; subreaper faults of init programs)
for _ in range(300):
    child = os.fork()
    if child == 0:
        try:
            os.fork()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
(await mcp_stub.echo(word="still here")).arguments.word
