# expect: status=success result=[]
# Programs and maps in the kernel: bpf with real arguments (CVE-2020-8835, CVE-2021-3490, CVE-2022-23222)
knock("map", lambda: syscall("bpf", 0, struct.pack("IIII", 2, 4, 4, 1) + b"\0" * 100, 72))
code = ctypes.create_string_buffer(struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0))
licence = ctypes.create_string_buffer(b"GPL")
for kind in (1, 8):
    attributes = struct.pack("IIQQIIQI", kind, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0) + b"\0" * 80
    knock("program %d" % kind, lambda: syscall("bpf", 5, attributes, 72))
knock("others' objects", lambda: syscall("bpf", 11, struct.pack("III", 0, 0, 0) + b"\0" * 100, 72))
reached
