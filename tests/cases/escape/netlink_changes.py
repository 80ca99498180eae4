# expect: status=success result=[]
# Interfaces, addresses and routes are made by netlink (rtnetlink(7); CAP_NET_ADMIN)
import socket


def ask(protocol, kind, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as s:
        s.bind((0, 0))
        s.settimeout(2)
        s.send(struct.pack("IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)
        code = struct.unpack("i", s.recv(4096)[16:20])[0]
        if code:
            raise OSError(-code, "netlink")


def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


kinds = [attribute(18, attribute(1, name)) for name in (b"dummy\0", b"veth\0", b"bridge\0", b"macvlan\0", b"vxlan\0")]
for number, kind in enumerate(kinds):
    attempt("link %d" % number, lambda: ask(0, 16, struct.pack("BBHiII", 0, 0, 0, 0, 0, 0) + attribute(3, b"mark\0") + kind))
attempt("up", lambda: ask(0, 16, struct.pack("BBHiII", 0, 0, 0, 1, 1, 1)))
attempt("address", lambda: ask(0, 20, struct.pack("BBBBI", 2, 24, 0, 0, 1) + attribute(2, bytes([192, 0, 2, 1]))))
attempt("route", lambda: ask(0, 24, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + attribute(4, struct.pack("i", 1))))
attempt("audit", lambda: ask(9, 1001, b"\0" * 40))
attempt("uevent", lambda: ask(15, 16, b"add@/devices/mark\0ACTION=add\0"))
attempt("xfrm", lambda: ask(6, 0x10, b"\0" * 224))
reached
