# expect: status=limit verdict=output timeout=60
import sys

line = "x" * 999_999 + "\n"
while True:
    sys.stderr.write(line)
