# expect: status=limit verdict=output timeout=60
import subprocess

subprocess.run(["cat", "/dev/zero"])
