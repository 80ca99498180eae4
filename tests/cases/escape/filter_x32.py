# expect: status=success result=[]
# Calls by the numbers of x32, with bit 30 set (seccomp(2): "an x32 call must be blocked as well")
if platform.machine() == "x86_64":
    for number in (0, 39, 102, 165, 248, 272, 298, 321, 512, 519, 520, 539, 545, 547):
        def call():
            ctypes.set_errno(0)
            if libc.syscall(ctypes.c_long(0x40000000 | number), 0, 0, 0, 0, 0, 0) < 0:
                raise OSError(ctypes.get_errno(), "x32")

        in_child(lambda: knock("x32 %d" % number, call))
reached
