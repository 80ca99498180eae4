# expect: status=success result=[]
# In a user namespace of one's own a read-only folder is bound and made writable (locked mount flags)
def bind():
    for path in ("/", "/etc", "/usr", "/proc/sys", "/sys"):
        syscall("mount", path.encode(), b"/tmp", None, 4096, None)
        for flags in (4096 | 32, 4096 | 32 | 2, 4096 | 32 | 2 | 4 | 8):
            attempt("remount %s %x" % (path, flags), lambda: (syscall("mount", None, b"/tmp", None, flags, None),
                                                               write("/tmp/mark", "x")))
        syscall("umount2", b"/tmp", 2)


as_own_root(bind)
reached
