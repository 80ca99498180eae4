# expect: status=success result=-9
# expect embedded_user (a limit of the process instead of a control group: it ends by itself): status=success result=1
# Only the process that took too much is killed; the program goes on and can say so.
import subprocess
import sys

subprocess.run([sys.executable, "-c", "x = bytearray(1 << 30); x[:: 4096] = b'x' * (1 << 18)"]).returncode
