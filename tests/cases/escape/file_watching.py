# expect: status=success result=[]
# Every file event of a mounted file system: fanotify with permission events (fanotify_init(2))
for flags in (0, 4, 8, 0x200, 0x400):
    attempt("fanotify %x" % flags, lambda: syscall("fanotify_init", flags, 0))
reached
