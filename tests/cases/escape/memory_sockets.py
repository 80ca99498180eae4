# expect: status=success result="bounded"
# Memory in the buffers of sockets, filled by messages nobody reads, and descriptors in flight (unix(7))
import array
import socket

written, pairs = 0, []
try:
    while True:
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        pairs.append((left, right))
        left.setblocking(False)
        # 32 is SO_SNDBUFFORCE: past the host's own bound, for whoever may.
        try:
            left.setsockopt(socket.SOL_SOCKET, 32, 1 << 30)
        except OSError:
            pass
        try:
            while True:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [right.fileno()]))]
                written += left.sendmsg([b"x" * 100_000], rights)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS, errno.EMSGSIZE):
                raise
            # The descriptors have reached their own limit: bytes alone.
            try:
                while True:
                    written += left.send(b"x" * 100_000)
            except OSError as full:
                if full.errno not in (errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE):
                    raise
except OSError:
    pass
"bounded" if 0 < written < 288 << 20 else written
