# select, poll, epoll, eventfd, timerfd, inotify, pipes, socket pairs.
import array
import ctypes
import os
import select
import selectors
import socket
import tempfile
import time

read, write = os.pipe()
os.close(os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)[0])
os.write(write, b"x")
assert select.select([read], [], [], 10)[0] == [read]
poll = select.poll()
poll.register(read, select.POLLIN)
assert poll.poll(10_000) == [(read, select.POLLIN)]
with select.epoll() as epoll:
    epoll.register(read, select.EPOLLIN)
    assert epoll.poll(10) == [(read, select.EPOLLIN)]
with selectors.DefaultSelector() as selector:
    selector.register(read, selectors.EVENT_READ)
    assert selector.select(10)

left, right = socket.socketpair()
left.sendall(b"bytes")
assert right.recv(10) == b"bytes"
left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
assert left.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
left.sendmsg([b"descriptor"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [read]))])
message, ancillary, _, _ = right.recvmsg(100, socket.CMSG_SPACE(4))
assert message == b"descriptor" and ancillary
left.settimeout(0.01)
try:
    left.recv(1)
    raise AssertionError("nothing was sent")
except socket.timeout:
    pass
path = os.path.join(tempfile.mkdtemp(), "socket")
for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
    with socket.socket(socket.AF_UNIX, kind) as server, socket.socket(socket.AF_UNIX, kind) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        other, _ = server.accept()
        client.send(b"unix")
        assert other.recv(10) == b"unix" and client.getpeername() == path
        client.shutdown(socket.SHUT_WR)
        assert other.recv(10) == b""
        os.unlink(path)

libc = ctypes.CDLL(None, use_errno=True)
event = libc.eventfd(0, 0)
assert event >= 0 and os.write(event, (5).to_bytes(8, "little")) == 8 and os.read(event, 8)[0] == 5
timer = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
moment = (ctypes.c_long * 4)(0, 0, 0, 1_000_000)
assert timer >= 0 and libc.timerfd_settime(timer, 0, moment, None) == 0 and os.read(timer, 8)[0] >= 1
watch = libc.inotify_init1(0)
assert watch >= 0 and libc.inotify_add_watch(watch, os.path.dirname(path).encode(), 0x100) >= 0
open(path, "w").close()
assert b"socket" in os.read(watch, 4096)
assert len(os.getrandom(8)) == 8 and len(os.urandom(8)) == 8
print("ok")
