# expect: status=error error=EarlyExit
import os

os.execv("/bin/true", ["true"])
