# expect: status=success result=[]
# The addresses where clouds hand out credentials: AWS, ECS, Google, Azure, Alibaba, Oracle, OpenStack (SSRF lists)
import socket

for address in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16",
                "169.254.0.1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe%lo"):
    for port in (80, 443, 32526, 8775):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def connect():
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.settimeout(0.5)
                s.connect(socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4])

        attempt("%s %d" % (address, port), connect)
reached
