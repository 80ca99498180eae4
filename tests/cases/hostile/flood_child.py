# expect: status=limit verdict=output timeout=60
import subprocess
import sys

subprocess.run([sys.executable, "-c", "while True: print('0' * 65536)"])
