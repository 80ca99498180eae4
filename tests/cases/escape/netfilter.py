# expect: status=success result=[]
# expect podman (its own filter lets a network namespace be made, whose rules are the program's own): status=success result=["own namespace: nftables"]
# Packet filter rules, directly and as root of a network namespace of one's own (nf_tables: CVE-2022-32250, CVE-2024-1086)
import socket


def table(where):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.bind((0, 0))
    s.settimeout(2)

    def message(kind, flags, body):
        return struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body

    begin = message(0x10, 1, struct.pack(">BBH", 0, 0, 10))
    end = message(0x11, 1, struct.pack(">BBH", 0, 0, 10))
    name = struct.pack("HH", 4 + 5, 1) + b"mark\0\0\0\0"
    new = message(0xA00, 5, struct.pack(">BBH", 2, 0, 0) + name)
    s.send(begin + new + end)
    code = struct.unpack("i", s.recv(4096)[16:20])[0]
    if code:
        raise OSError(-code, "nftables")


attempt("nftables", lambda: table("here"))
as_own_root(lambda: attempt("own namespace: nftables", lambda: table("there")))
reached
