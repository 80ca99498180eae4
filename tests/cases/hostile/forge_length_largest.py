# expect: status=timeout verdict=time timeout=3
# The largest length that is allowed, and never its bytes: nothing is allocated for them, and the deadline holds.
import os
import time

for name in os.listdir("/proc/self/fd"):
    try:
        if int(name) > 2 and os.readlink("/proc/self/fd/" + name).startswith(("pipe:", "socket:")):
            os.write(int(name), b"\x04\x00\x00\x01C")
    except OSError:
        pass
time.sleep(1000)
