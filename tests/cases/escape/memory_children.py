# expect: status=success result=true
# expect embedded_user (a watch instead of a control group: the sandbox ends as a whole): status=limit verdict=memory
# Ten children want a hundred megabytes each, at the same time: together they end at the limit (memory cgroup, "oom_kill")
children, (readable, writable) = [], os.pipe()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os.close(writable)
        held = bytearray(100 << 20)
        held[::4096] = b"x" * (len(held) // 4096)
        os.read(readable, 1)
        os._exit(0)
    children.append(child)
# Whoever got its memory waits for the end of this pipe; with all ten alive it would be a gigabyte.
import time

until = time.monotonic() + 10
ends = {}
while time.monotonic() < until and not ends:
    child, status = os.waitpid(-1, os.WNOHANG)
    if child:
        ends[child] = status
    time.sleep(0.01)
os.close(writable)
for child in children:
    if child not in ends:
        ends[child] = os.waitpid(child, 0)[1]
any(status != 0 for status in ends.values())
