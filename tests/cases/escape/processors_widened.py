# expect: status=success result="bounded"
# Every processor of the machine is asked for, and all are kept busy: the limit of processor time stays (sched_setaffinity(2))
import time

try:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
except OSError:
    pass
began = time.monotonic()
for _ in range(3):
    if os.fork() == 0:
        while time.monotonic() < began + 2:
            pass
        os._exit(0)
for _ in range(3):
    os.wait()
times, wall = os.times(), time.monotonic() - began
share = (times.children_user + times.children_system) / wall
# One processor, and a period of the quota (0.1 s) at each end.
"bounded" if share < 1.15 else share
