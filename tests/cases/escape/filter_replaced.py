# expect: status=success result=[]
# A filter of one's own that allows everything, laid over the sandbox's: the stricter one wins (seccomp(2))
allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(allow)))
before = [line for line in open("/proc/self/status") if line.startswith(("NoNewPrivs", "Seccomp:"))]
for flags in (0, 1, 2, 4):
    try:
        syscall("seccomp", 1, flags, program)
    except OSError:
        pass
for option, value in ((38, 0), (22, 0), (28, 0), (4, 0)):
    try:
        syscall("prctl", option, value, 0, 0, 0)
    except OSError:
        pass
if [line for line in open("/proc/self/status") if line.startswith(("NoNewPrivs", "Seccomp:"))] != before:
    reached.append("another status")
knock("add_key", lambda: syscall("add_key", b"user", b"mcp-bridge-mark", b"x", 1, -3))
attempt("mount", lambda: syscall("mount", b"none", b"/tmp", b"tmpfs", 0, None))
reached
