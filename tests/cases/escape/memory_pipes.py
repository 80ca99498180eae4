# expect: status=success result="bounded"
# Memory in the buffers of pipes, made as large as they may be (F_SETPIPE_SZ; pipe-user-pages-soft)
import fcntl

written, pipes = 0, []
try:
    while True:
        readable, writable = os.pipe2(os.O_NONBLOCK)
        pipes.append((readable, writable))
        try:
            fcntl.fcntl(writable, 1031, 1 << 20)
        except OSError:
            pass
        try:
            while True:
                written += os.write(writable, b"x" * 65536)
        except BlockingIOError:
            pass
except OSError:
    pass
"bounded" if 0 < written < 288 << 20 else written
