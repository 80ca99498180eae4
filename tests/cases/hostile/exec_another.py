# expect: status=error error=EarlyExit
import os
import sys

os.execv(sys.executable, [sys.executable, "-c", ""])
