# expect: status=success result=[]
# A mount is moved away, and what it covered is seen (mount(2), MS_MOVE; masked paths of runc)
os.makedirs("/tmp/away", exist_ok=True)
for path in (b"/proc", b"/sys", b"/dev", b"/proc/sys", b"/proc/kcore", b"/sys/firmware", b"/workspace"):
    attempt("move %s" % path.decode(), lambda: syscall("mount", path, b"/tmp/away", None, 0x2000, None))
    attempt("detach %s" % path.decode(), lambda: syscall("umount2", path, 2))
reached
