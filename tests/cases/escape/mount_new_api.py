# expect: status=success result=[]
# The new mount calls: fsopen, fsconfig, fsmount, move_mount (CVE-2022-0185)
def mount(kind):
    context = syscall("fsopen", kind, 0)
    syscall("fsconfig", context, 6, None, None, 0)
    made = syscall("fsmount", context, 0, 0)
    syscall("move_mount", made, b"", -100, b"/tmp", 4)


for kind in (b"tmpfs", b"proc", b"sysfs", b"cgroup", b"cgroup2", b"devpts", b"mqueue", b"debugfs", b"overlay"):
    attempt("mount %s" % kind.decode(), lambda: mount(kind))
knock("fspick", lambda: syscall("fspick", -100, b"/", 0))
reached
