# expect: status=limit verdict=memory
# Memory that cannot be taken back, as much as there is (mlockall; RLIMIT_MEMLOCK)
libc.mlockall(3)
libc.mlockall(1)
held = []
while True:
    try:
        held.append(bytearray(b"x" * (1 << 20)))
    except MemoryError:
        continue  # a limit of this process alone: it goes on trying
    libc.mlock(ctypes.c_char_p(ctypes.addressof(ctypes.c_char.from_buffer(held[-1]))), ctypes.c_size_t(1 << 20))
