# expect: status=success result="of its own making"
# A program may write its own report: it is the one who knows the result. It speaks for nobody else.
import os
import time

body = b'F{"outcome": "ok", "result": "of its own making", "has_result": true}'
for name in os.listdir("/proc/self/fd"):
    try:
        if int(name) > 2 and os.readlink("/proc/self/fd/" + name).startswith(("pipe:", "socket:")):
            os.write(int(name), len(body).to_bytes(4, "big") + body)
    except OSError:
        pass
time.sleep(1000)
