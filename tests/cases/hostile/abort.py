# expect: status=error error=Signal
import os

os.abort()
