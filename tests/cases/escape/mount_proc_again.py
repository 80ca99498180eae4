# expect: status=success result=[]
# A second /proc without masks, in a user and PID namespace of one's own (CVE-2022-0492 write-ups; mount_too_revealing)
def again():
    syscall("unshare", NEWPID)

    def inside():
        if not attempt("a second proc", lambda: syscall("mount", b"proc", b"/tmp", b"proc", 0, None)):
            return
        for name in ("sysrq-trigger", "sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/hotplug"):
            attempt(name, lambda: write("/tmp/" + name, same("/tmp/" + name)))

    in_child(inside)


as_own_root(again)
reached
