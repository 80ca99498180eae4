# expect: status=limit verdict=memory
# Files in the sandbox's folders are memory: 140 MB of them leave no room for 100 MB more.
import itertools


def fill(place):
    with open(place, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * (1 << 20))
        except OSError:
            pass


for place in ("/tmp/a", "/workspace/b", "/dev/shm/c"):
    fill(place)
data = [b"%d" % n * 1000 for n in range(50_000)]
