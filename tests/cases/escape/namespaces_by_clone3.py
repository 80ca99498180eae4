# expect: status=success result=[]
# expect podman (its own filter lets user namespaces be made; nothing is gained in them): status=success result=["user"]
# The same by clone3, whose flags a filter cannot see; and a chosen PID, and a chosen cgroup (clone3(2))
def child(flags, set_tid=0, count=0, cgroup=0):
    arguments = struct.pack("11Q", flags, 0, 0, 0, 17, 0, 0, 0, set_tid, count, cgroup)
    pid = syscall("clone3", arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


chosen = (ctypes.c_int * 1)(4242)
attempt("user", lambda: child(NEWUSER))
attempt("mount", lambda: child(NEWNS))
attempt("time", lambda: child(NEWTIME))
attempt("a chosen pid", lambda: child(0, ctypes.addressof(chosen), 1))
attempt("another cgroup", lambda: child(0x200000000, 0, 0, os.open("/sys/fs/cgroup", os.O_RDONLY)))
reached
