# expect: status=limit verdict=memory
data = bytearray(1 << 30)
data[:: 1 << 12] = b"x" * (1 << 18)
