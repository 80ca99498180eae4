# expect: status=success result=[]
# The bridge's secrets, in every byte that the program can read of itself and of others (/proc/*/mem, /proc/*/environ)

# In two halves, or the program would find itself.
halves = (b"hunter22", b"-of-the-")
found = 0
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    for name in ("environ", "cmdline", "comm", "wchan", "stack", "auxv", "mountinfo"):
        try:
            if b"".join(halves) in open("/proc/%s/%s" % (pid, name), "rb").read():
                reached.append("%s of %s" % (name, pid))
        except OSError:
            pass
    try:
        maps = open("/proc/%s/maps" % pid).read().splitlines()
        memory = open("/proc/%s/mem" % pid, "rb", buffering=0)
    except OSError:
        continue
    for line in maps:
        span, rights = line.split()[:2]
        start, end = (int(each, 16) for each in span.split("-"))
        if not rights.startswith("rw") or end - start > 64 << 20:
            continue
        try:
            memory.seek(start)
            data = memory.read(end - start)
        except OSError:
            continue
        at = data.find(halves[0] + halves[1])
        # What was just put together to look for is no finding.
        if at >= 0 and data[at : at + 30].startswith(halves[0] + halves[1] + b"bridge"):
            reached.append("memory of %s" % pid)
reached
