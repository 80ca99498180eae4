# expect: status=success result=[]
# Names are asked for by hand, of every server that could answer (DNS over UDP and TCP; 127.0.0.11 is Docker's own)
import socket

servers = {"127.0.0.11", "127.0.0.53", "127.0.0.1", "10.88.0.1", "172.17.0.1", "10.0.2.3", "8.8.8.8", "1.1.1.1", "169.254.169.253"}
if os.path.exists("/etc/resolv.conf"):
    servers |= {line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver ")}
question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
for server in sorted(servers):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET

    def by_udp():
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect((server, 53))
            s.send(question)
            s.recv(512)

    def by_tcp():
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(0.5)
            s.connect((server, 53))

    attempt("udp " + server, by_udp)
    attempt("tcp " + server, by_tcp)
reached
