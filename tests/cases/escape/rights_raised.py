# expect: status=success result=[]
# Capabilities are asked back: capset, ambient, securebits, a file's own (capabilities(7), setxattr)
header, wanted = struct.pack("Ii", 0x20080522, 0), struct.pack("IIIIII", *[0xFFFFFFFF, 0xFFFFFFFF, 0, 0x1FF, 0x1FF, 0])
attempt("capset", lambda: syscall("capset", header, wanted))
for capability in range(41):
    attempt("ambient %d" % capability, lambda: syscall("prctl", 47, 2, capability, 0, 0))
attempt("securebits", lambda: syscall("prctl", 28, 0x2F, 0, 0, 0))
write("/tmp/program", "x")
value = struct.pack("IIIII", 0x02000001, 0xFFFFFFFF, 0, 0, 0)
attempt("security.capability", lambda: os.setxattr("/tmp/program", "security.capability", value))
attempt("version 3", lambda: os.setxattr("/tmp/program", "security.capability", struct.pack("IIIIII", 0x03000001, 0xFFFFFFFF, 0, 0, 0, 0)))
attempt("trusted", lambda: os.setxattr("/tmp/program", "trusted.overlay.opaque", b"y"))
reached
