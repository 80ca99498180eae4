# expect: status=success result=[]
# Every file below /proc/sys: none opens for writing (core_pattern, modprobe, hotplug, binfmt_misc, ns_last_pid)
for folder, folders, files in os.walk("/proc/sys"):
    for name in files:
        path = os.path.join(folder, name)
        attempt(path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)))
reached[:20]
