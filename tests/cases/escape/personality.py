# expect: status=success result=[]
# A process takes away its own randomness of addresses, or makes its data executable (personality(2))
for flag in (0x0040000, 0x0400000, 0x0100000, 0x0200000, 0x4000000):
    in_child(lambda: attempt("%x" % flag, lambda: syscall("personality", flag)))
reached
