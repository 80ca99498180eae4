# expect: status=success result=true
# Threads in children count like processes (cgroup pids; RLIMIT_NPROC)
import threading

counts = []
for _ in range(4):
    readable, writable = os.pipe()
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        made, wait = 0, threading.Event()
        try:
            while made < 200:
                threading.Thread(target=wait.wait, daemon=True).start()
                made += 1
        except RuntimeError:
            pass
        os.write(writable, b"%d" % made)
        wait.wait()
    os.close(writable)
    counts.append(int(os.read(readable, 10) or 0))
0 < sum(counts) < 64
