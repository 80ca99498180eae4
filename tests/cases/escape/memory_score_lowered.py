# expect: status=limit verdict=memory
# The program asks to be the last that is killed, gives a child the first place, and takes too much (oom_score_adj)
for path in ("/proc/self/oom_score_adj", "/proc/self/oom_adj", "/proc/1/oom_score_adj"):
    for value in ("-1000", "-17", "-999", "0"):
        try:
            write(path, value)
        except OSError:
            pass
held = []
while True:
    try:
        held.append(b"x" * (1 << 20))
    except MemoryError:
        continue  # a limit of this process alone: it goes on trying
