# expect: status=error verdict=protocol
# Deeper than any stack, and broken at the end.
import os

body = b'F{"outcome": "ok", "result": ' + b"[" * 1_000_000
frame = len(body).to_bytes(4, "big") + body
for name in os.listdir("/proc/self/fd"):
    try:
        if int(name) > 2 and os.readlink("/proc/self/fd/" + name).startswith(("pipe:", "socket:")):
            os.set_blocking(int(name), True)
            left = frame
            while left:
                left = left[os.write(int(name), left) :]
    except OSError:
        pass
await mcp_stub.echo()
