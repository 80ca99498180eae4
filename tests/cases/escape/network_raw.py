# expect: status=success result=[]
# Raw packets, packet sockets, pings (CVE-2020-14386: af_packet; CAP_NET_RAW)
import socket

for family, kind, protocol in ((17, 3, 0x0300), (17, 2, 0x0300), (2, 3, 1), (2, 3, 255), (10, 3, 58), (2, 10, 0)):
    attempt("%d %d %d" % (family, kind, protocol), lambda: socket.socket(family, kind, protocol).close())
# A ping socket may be made; nothing leaves through it.
for family, address, protocol in ((2, "1.1.1.1", 1), (2, "127.0.0.1", 1), (10, "::1", 58)):
    def ping():
        with socket.socket(family, socket.SOCK_DGRAM, protocol) as s:
            s.settimeout(0.3)
            s.sendto(b"\x08\x00\x00\x00\x00\x01\x00\x01", (address, 0))
            s.recv(100)

    if address == "1.1.1.1":
        attempt("ping " + address, ping)
reached
