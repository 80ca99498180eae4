# expect: status=success result="left"
# Files in every place, and processes that refuse to go.
import os
import signal
import subprocess
import sys
import time

for place in ("/tmp", "/workspace", "/dev/shm", "/dev/mqueue"):
    try:
        with open(place + "/trace", "w") as file:
            file.write("trace")
    except OSError:
        pass
os.makedirs("/tmp/.hidden/deep/er", exist_ok=True)
os.symlink("/etc/passwd", "/workspace/link")
os.mkfifo("/tmp/fifo")
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, signal.NSIG):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        if os.fork() == 0:
            while True:
                time.sleep(1000)
        os._exit(0)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
"left"
