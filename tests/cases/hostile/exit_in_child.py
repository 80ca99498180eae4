# expect: status=success result=7
import os
import sys

child = os.fork()
if child == 0:
    sys.exit(7)
os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
