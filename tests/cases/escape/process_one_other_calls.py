# expect: status=success result=[]
# Calls beside ptrace that touch another process: written memory, compared files, advised pages (process_vm_writev, kcmp)
buffer = ctypes.create_string_buffer(b"xxxxxxxx")
local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
remote = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
others = {1, os.getppid()} - {0}
for pid in others:
    attempt("process_vm_writev %d" % pid, lambda: syscall("process_vm_writev", pid, local, 1, remote, 1, 0))
    attempt("kcmp %d" % pid, lambda: syscall("kcmp", pid, os.getpid(), 0, 0, 0))
    attempt("get_robust_list %d" % pid, lambda: syscall("get_robust_list", pid, ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_size_t())))
    attempt("mem of %d" % pid, lambda: os.close(os.open("/proc/%d/mem" % pid, os.O_WRONLY)))
    for request in (16, 0x4206, 12, 4):
        attempt("ptrace %d of %d" % (request, pid), lambda: syscall("ptrace", request, pid, 0, 0))

    def through_pidfd():
        place = syscall("pidfd_open", pid, 0)
        attempt("process_madvise %d" % pid, lambda: syscall("process_madvise", place, remote, 1, 21, 0))
        attempt("process_mrelease %d" % pid, lambda: syscall("process_mrelease", place, 0))
        for number in range(32):
            attempt("descriptor %d of %d" % (number, pid), lambda: syscall("pidfd_getfd", place, number, 0))

    try:
        through_pidfd()
    except OSError:
        pass
reached
