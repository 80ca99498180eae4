# expect: status=success
import os

os.write(1, bytes(range(256)))
os.write(2, b"\xff" * 1000)
None
