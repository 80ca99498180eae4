# expect: status=error verdict=protocol
import os

for name in os.listdir("/proc/self/fd"):
    try:
        if int(name) > 2:
            os.write(int(name), b"\xff\xff\xff\xffC")
    except OSError:
        pass
await mcp_stub.echo()
