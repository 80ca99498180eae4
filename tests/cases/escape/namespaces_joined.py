# expect: status=success result=[]
# Every namespace of every process is entered, by its file (setns(2))
for pid in sorted(name for name in os.listdir("/proc") if name.isdigit()) + ["self"]:
    for name in ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts"):
        def enter():
            place = os.open("/proc/%s/ns/%s" % (pid, name), os.O_RDONLY)
            try:
                syscall("setns", place, 0)
            finally:
                os.close(place)

        attempt("%s of %s" % (name, pid), enter)
reached
