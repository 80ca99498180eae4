# expect: status=error verdict=protocol
import os

for name in os.listdir("/proc/self/fd"):
    try:
        if int(name) > 2:
            os.write(int(name), b"\x00\x00\x00\x0dZ" + b'{"code": 0}' + b"\n")
    except OSError:
        pass
await mcp_stub.echo()
