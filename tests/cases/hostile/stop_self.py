# expect: status=timeout verdict=time timeout=2
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
