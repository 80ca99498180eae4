# expect: status=limit verdict=output
import sys

line = "x" * 999_999 + "\n"
while True:
    sys.stderr.write(line)
