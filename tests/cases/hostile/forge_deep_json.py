# expect: status=error verdict=protocol
# Deeper than any stack, and broken at the end.
import gc
import os

gc.unfreeze()
pipe = next(each for each in gc.get_objects() if type(each).__name__ == "Channel")._write
os.set_blocking(pipe, True)
body = b'F{"outcome": "ok", "result": ' + b"[" * 1_000_000
left = len(body).to_bytes(4, "big") + body
while left:
    left = left[os.write(pipe, left) :]
await mcp_stub.echo()
