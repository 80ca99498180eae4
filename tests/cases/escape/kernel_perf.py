# expect: status=success result=[]
# Hardware counters over a process, over everything, over PID 1 (perf_event_open; CVE-2013-2094)
for kind, config in ((0, 0), (1, 0), (1, 1), (2, 1)):
    for pid, cpu in ((0, -1), (-1, 0), (1, -1)):
        attributes = struct.pack("IIQQQQQ", kind, 112, config, 0, 0, 0, 0b1100001) + b"\0" * 72
        knock("perf %d of %d" % (kind, pid), lambda: syscall("perf_event_open", attributes, pid, cpu, -1, 0))
reached
