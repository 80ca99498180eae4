# expect: status=limit verdict=processes error=BlockingIOError
import subprocess
import sys

children = []
while True:
    children.append(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"]))
