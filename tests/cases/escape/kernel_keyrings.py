# expect: status=success result=[]
# Keys are planted and looked for: keyrings have no namespace of their own everywhere (add_key, keyctl; CVE-2016-0728)
for ring in (-3, -4, -5, -2):
    knock("add_key %d" % ring, lambda: syscall("add_key", b"user", b"mcp-bridge-mark", b"secret", 6, ring))
    knock("keyctl %d" % ring, lambda: syscall("keyctl", 0, ring, 0))
    knock("describe %d" % ring, lambda: syscall("keyctl", 6, ring, ctypes.create_string_buffer(100), 100))
knock("join", lambda: syscall("keyctl", 1, b"mcp-bridge-mark"))
knock("persistent", lambda: syscall("keyctl", 22, -1, -2))
knock("request_key", lambda: syscall("request_key", b"user", b"mcp-bridge-mark", None, -3))
reached
