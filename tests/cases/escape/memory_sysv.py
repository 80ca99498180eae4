# expect: status=limit verdict=memory
# expect embedded (segments that outlive their process are refused): status=error error=PermissionError
# Shared memory that is filled and let go of, but not removed (shmget(2))
libc.shmat.restype = ctypes.c_void_p
libc.shmdt.argtypes = [ctypes.c_void_p]
for number in range(64):
    segment = libc.shmget(0, 1 << 24, 0o1600)
    address = libc.shmat(segment, None, 0)
    if segment < 0 or address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "no more segments")
    ctypes.memset(address, 1, 1 << 24)
    libc.shmdt(address)
"a gigabyte"
