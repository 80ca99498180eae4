# expect: status=timeout verdict=time timeout=2
import os
import signal

parent = os.getpid()
if os.fork() == 0:
    while True:
        os.kill(parent, signal.SIGSTOP)
while True:
    pass
