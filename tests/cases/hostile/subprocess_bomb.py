# expect: status=limit verdict=processes error=BlockingIOError
import subprocess

children = []
while True:
    children.append(subprocess.Popen(["sleep", "1000"]))
