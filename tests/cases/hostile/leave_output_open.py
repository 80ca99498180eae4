# expect: status=success timeout=15 result="not waited for"
# Children hold stdout and go on writing; the program's end is the end.
import subprocess
import sys

subprocess.Popen([sys.executable, "-uc", "import time\nwhile True: print('more'); time.sleep(1)"])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
"not waited for"
