# expect: status=success result=[]
# Sockets that listen on the host, abstract and by path, of every type (CVE-2020-15257: containerd-shim)
import socket

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    for address in ("\0" + host.abstract, host.socket, "/proc/1/root" + host.socket, "/proc/self/root/../.." + host.socket):
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.settimeout(2)
            attempt(repr(address), lambda: s.connect(address))
# Names of the host's sockets are not even told.
if os.path.exists("/proc/net/unix") and host.abstract in open("/proc/net/unix").read():
    reached.append("listed in /proc/net/unix")
reached
