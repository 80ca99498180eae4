# expect: status=success result="still here"
# Epoll sets that watch epoll sets (CVE-2011-1082)
import select

sets = []
try:
    while True:
        sets.append(select.epoll())
        for other in sets[:-1]:
            try:
                other.register(sets[-1].fileno(), select.EPOLLIN)
            except OSError:
                break
except OSError:
    pass
for each in sets:
    each.close()
(await mcp_stub.echo(word="still here")).arguments.word
