# expect: status=success result=[]
# A listener on the host's own loopback, IPv4 and IPv6 (CVE-2020-8558)
import socket

for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "0.0.0.0"),
                        (socket.AF_INET, "10.0.2.2"), (socket.AF_INET, "172.17.0.1"), (socket.AF_INET, "10.88.0.1"),
                        (socket.AF_INET6, "::1"), (socket.AF_INET6, "::"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    for port in (host.tcp, host.tcp6):
        def connect():
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.settimeout(2)
                s.connect((address, port))

        attempt("%s %d" % (address, port), connect)
reached
