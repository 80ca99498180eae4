# expect: status=error error=Killed
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
