# expect: status=success result=[]
# The kernel's messages are read, and cleared, and the console is silenced (syslog(2); dmesg)
buffer = ctypes.create_string_buffer(4096)
for kind in (2, 3, 4, 9, 10):
    attempt("syslog %d" % kind, lambda: syscall("syslog", kind, buffer, 4096))
for path in ("/proc/kmsg", "/dev/kmsg"):
    def look():
        place = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not os.read(place, 10):
            raise PermissionError(errno.EACCES, "empty")

    attempt(path, look)
reached
