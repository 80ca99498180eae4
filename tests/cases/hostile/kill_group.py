# expect: status=error error=Killed
import os
import signal

os.killpg(0, signal.SIGKILL)
