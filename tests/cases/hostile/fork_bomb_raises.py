# expect: status=limit verdict=processes error=BlockingIOError
import os

while True:
    os.fork()
