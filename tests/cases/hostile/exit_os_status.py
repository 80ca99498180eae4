# expect: status=error error=EarlyExit
import os

os._exit(3)
