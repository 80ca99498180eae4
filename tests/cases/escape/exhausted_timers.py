# expect: status=success result="still here"
# Timers and queued signals, as many as one user may have (RLIMIT_SIGPENDING)
identity = ctypes.c_int()
made = 0
try:
    while made < 200_000:
        syscall("timer_create", 1, None, ctypes.byref(identity))
        made += 1
except OSError:
    pass
(await mcp_stub.echo(word="still here")).arguments.word
