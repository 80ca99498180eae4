# expect: status=success result=-9
# Only the process that took too much is killed; the program goes on and can say so.
import subprocess
import sys

subprocess.run([sys.executable, "-c", "x = bytearray(1 << 30); x[:: 4096] = b'x' * (1 << 18)"]).returncode
