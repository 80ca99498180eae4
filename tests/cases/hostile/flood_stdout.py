# expect: status=limit verdict=output timeout=60
import os

block = b"x" * 99 + b"\n"
for _ in range(200):
    os.write(1, block * 10_000)
while True:
    os.write(1, block * 10_000)
