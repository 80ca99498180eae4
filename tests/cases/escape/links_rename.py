# expect: status=success result=[]
# Files of the system exchanged for one's own (renameat2: EXCHANGE, NOREPLACE, WHITEOUT)
for flags in (0, 1, 2, 4):
    for path in (b"/etc/passwd", b"/etc/hosts", sys.executable.encode(), b"/proc/self/exe"):
        write("/tmp/mine", "mine")
        attempt("%r %d" % (path, flags), lambda: syscall("renameat2", -100, b"/tmp/mine", -100, path, flags))
        attempt("from %r %d" % (path, flags), lambda: syscall("renameat2", -100, path, -100, b"/tmp/theirs", flags))
reached
