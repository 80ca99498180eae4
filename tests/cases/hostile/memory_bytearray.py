# expect: status=limit verdict=memory
# expect embedded_user (a limit of the process instead of a control group: Python says it): status=limit verdict=memory error=MemoryError
data = bytearray(1 << 30)
data[:: 1 << 12] = b"x" * (1 << 18)
