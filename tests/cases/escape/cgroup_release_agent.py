# expect: status=success result=[]
# The host runs a program of ours when a control group empties: release_agent (CVE-2022-0492)
def agent():
    for kind, options in (("cgroup", b"memory"), ("cgroup", b"rdma"), ("cgroup", b"pids"), ("cgroup", b"cpuset"),
                          ("cgroup", b"freezer"), ("cgroup", b"none,name=mark"), ("cgroup2", None)):
        try:
            syscall("mount", b"none", b"/tmp", kind.encode(), 0, options)
        except OSError:
            continue
        for name in ("release_agent", "notify_on_release", "cgroup.procs", "memory.limit_in_bytes", "pids.max",
                     "devices.allow", "memory.max"):
            attempt("%s %s" % (options, name), lambda: write("/tmp/" + name, same("/tmp/" + name)))
        attempt("%s child" % options, lambda: os.mkdir("/tmp/mcp-bridge-mark"))
        syscall("umount2", b"/tmp", 2)


in_child(agent)
as_own_root(agent)
reached
