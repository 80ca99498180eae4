# expect: status=error error=SandboxLost
# PID 1 runs as the program's own user, so its limits can be lowered until it ends. Everything ends with it, and that is said.
import resource
import sys
import time

resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
print("wakes it")
time.sleep(1000)
