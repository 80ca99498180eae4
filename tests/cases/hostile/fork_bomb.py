# expect: status=timeout verdict=time timeout=3
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
