# expect: status=limit verdict=output
import subprocess

subprocess.run(["cat", "/dev/zero"])
