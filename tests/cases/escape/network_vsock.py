# expect: status=success result=[]
# expect docker (its filter refuses the family only since Docker 23; a socket can be made, and nobody is reached): status=success result=["socket"]
# expect podman (its filter lets the family through; a socket can be made, and nobody is reached): status=success result=["socket"]
# A virtual machine's host, and everybody else on the machine: VSOCK has no namespace (vsock(7); Firecracker and QEMU set it up)
import socket


def connect(cid, port):
    with socket.socket(40, socket.SOCK_STREAM) as s:
        s.settimeout(0.3)
        s.connect((cid, port))


attempt("socket", lambda: socket.socket(40, socket.SOCK_STREAM).close())
# The hypervisor, the machine itself, the loopback.
for cid in (0, 2, 1, 3):
    for port in (22, 53, 1024, 5000, 9999, 52, 10000):
        attempt("connected to %d %d" % (cid, port), lambda: connect(cid, port))
reached
