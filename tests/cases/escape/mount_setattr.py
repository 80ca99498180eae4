# expect: status=success result=[]
# The read-only flag is taken off the root and what is mounted on it (mount_setattr(2))
for path in (b"/", b"/proc", b"/proc/sys", b"/sys", b"/sys/fs/cgroup", b"/dev", b"/usr", b"/etc", b"/lib"):
    attempt("rw %s" % path.decode(), lambda: syscall("mount_setattr", -100, path, 0, struct.pack("QQQQ", 0, 1, 0, 0), 32))
reached
