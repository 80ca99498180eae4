# expect: status=success result="still here"
# PID 1 is signalled by every call that can carry a signal: it goes on (tgkill, sigqueue, pidfd, F_SETOWN; docker stop)
import fcntl
import signal

information = struct.pack("iii", signal.SIGKILL, 0, -1) + b"\0" * 116
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV):
    for name, arguments in (("tgkill", (1, 1, number)), ("rt_sigqueueinfo", (1, number, information)),
                            ("rt_tgsigqueueinfo", (1, 1, number, information))):
        try:
            syscall(name, *arguments)
        except OSError:
            pass
    try:
        syscall("pidfd_send_signal", syscall("pidfd_open", 1, 0), number, None, 0)
    except OSError:
        pass
    readable, writable = os.pipe()
    for target in (1, -1):
        try:
            fcntl.fcntl(readable, fcntl.F_SETOWN, target)
            fcntl.fcntl(readable, 10, number)
            fcntl.fcntl(readable, fcntl.F_SETFL, os.O_NONBLOCK | 0o20000)
            if target == 1:
                os.write(writable, b"x")
        except OSError:
            pass
    os.close(readable)
    os.close(writable)
answer = await mcp_stub.echo(word="still here")
answer.arguments.word
