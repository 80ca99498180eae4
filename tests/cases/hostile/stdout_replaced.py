# expect: status=success result="still here"
import os
import sys

sys.stdout = sys.stderr = sys.stdin = None
"still here"
