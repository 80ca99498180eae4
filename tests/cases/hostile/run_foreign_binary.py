# expect: status=success result=[]
# What a program writes cannot be executed as a file.
import os
import shutil
import subprocess
import sys

ran = []
for place in ("/tmp/true", "/workspace/true", "/dev/shm/true"):
    shutil.copy(os.path.realpath(sys.executable), place)
    os.chmod(place, 0o4755)
    try:
        subprocess.run([place, "-c", ""])
    except OSError:
        continue
    ran.append(place)
ran
