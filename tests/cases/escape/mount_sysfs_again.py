# expect: status=success result=[]
# A second /sys whose files can be written: uevent_helper, thermal, module parameters (container escape lists)
def again():
    syscall("mount", b"sysfs", b"/tmp", b"sysfs", 0, None)
    for path in ("/tmp/kernel/uevent_helper", "/tmp/kernel/mm/transparent_hugepage/enabled",
                 "/tmp/module/kernel/parameters/consoleblank", "/tmp/fs/cgroup/release_agent", "/tmp/power/state"):
        attempt(path, lambda: write(path, same(path)))


attempt("a second sys", lambda: syscall("mount", b"sysfs", b"/tmp", b"sysfs", 0, None))
as_own_root(again)
reached
