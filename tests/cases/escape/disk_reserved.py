# expect: status=success result="bounded"
# Space is reserved and not written: fallocate, holes, and files that have lost their names (tmpfs size)
total = 0
for place in ("/tmp", "/workspace", "/dev/shm"):
    for number in range(200):
        try:
            file = os.open(place, os.O_TMPFILE | os.O_RDWR)
            os.posix_fallocate(file, 0, 1 << 20)
            total += 1 << 20
        except OSError:
            break
    try:
        hole = os.open(place + "/hole", os.O_CREAT | os.O_RDWR)
        os.truncate(hole, 1 << 40)
        os.pwrite(hole, b"x", (1 << 40) - 1)
    except OSError:
        pass
# /tmp 16 MiB, /workspace 64 MiB, /dev/shm 64 MiB, and never the memory's limit.
"bounded" if 8 << 20 < total <= 144 << 20 else total
