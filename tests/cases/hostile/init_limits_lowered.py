# expect: status=error error=SandboxLost
# PID 1 runs as the program's own user, so its limits can be lowered until it ends. Everything ends with it, and that is said.
import os
import resource
import time

resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
# One write: there is nobody to take a second.
os.write(1, b"wakes it\n")
time.sleep(1000)
