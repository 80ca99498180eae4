# Tries every way to be heard outside; `known` holds listeners that really wait on the host.
import errno
import os
import socket

GONE = 1.0
reached = []
tried = 0


def attempt(what, connect):
    global tried
    tried += 1
    try:
        connect()
    except (OSError, OverflowError, ValueError, TypeError):
        return
    reached.append(what)


def connect(family, kind, address, protocol=0, say=b"x"):
    with socket.socket(family, kind, protocol) as s:
        s.settimeout(GONE)
        s.connect(address)
        if say:
            s.send(say)


inet, inet6, stream, datagram = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
outside = [h for h in known["hosts"] if not h.startswith("127.")] + ["169.254.169.254", "1.1.1.1", "255.255.255.255"]
for host in outside:
    for port in (known["tcp"], 53, 80, 443):
        attempt(["tcp", host, port], lambda: connect(inet, stream, (host, port)))
    for port in (known["udp"], 53):
        attempt(["udp", host, port], lambda: connect(inet, datagram, (host, port)))
# Nobody listens on the loopback; a datagram to it vanishes, so only streams show something.
for port in (known["tcp"], 22, 80, 2375, 2376, 8080):
    attempt(["tcp", "127.0.0.1", port], lambda: connect(inet, stream, ("127.0.0.1", port)))
    attempt(["tcp", "::1", port], lambda: connect(inet6, stream, ("::1", port)))
for host in ("fe80::1%lo", "2606:4700:4700::1111", "fd00:ec2::254"):
    attempt(["tcp6", host], lambda: connect(inet6, stream, (host, 80)))
    attempt(["udp6", host], lambda: connect(inet6, datagram, (host, 53)))
for name in (known["abstract"], "/tmp/.X11-unix/X0", "/run/dbus/system_bus_socket", "docker"):
    for kind in (stream, datagram, socket.SOCK_SEQPACKET):
        attempt(["abstract", name], lambda: connect(socket.AF_UNIX, kind, "\0" + name))
for path in known["sockets"]:
    attempt(["unix", path], lambda: connect(socket.AF_UNIX, stream, path))
    if os.path.exists(path):
        reached.append(["exists", path])

# Every family there is, every type: what can be opened at all must be unable to say anything to anybody.
for family in range(46):
    for kind in (1, 2, 3, 4, 5, 10):
        for address in (("192.0.2.1", 9), (1, 1), (2, 1024), (0, 0), "lo", b"\x00" * 14, ("lo", 0x0800)):
            if family in (inet, inet6, socket.AF_UNIX, socket.AF_NETLINK) and address != ("192.0.2.1", 9):
                continue
            attempt([family, kind, repr(address)], lambda: connect(family, kind, address))
attempt("raw packets", lambda: socket.socket(17, 3, 0x0300))
attempt("raw ip", lambda: socket.socket(inet, 3, 1))
attempt("vsock to the host", lambda: connect(40, stream, (2, 1024)))
attempt("kernel crypto", lambda: socket.socket(38, 5))

for name in ("example.com", "metadata.google.internal", "_dns.resolver.arpa"):
    attempt(["name", name], lambda: socket.getaddrinfo(name, 80))
# Podman writes its host's address into /etc/hosts; knowing it is of no use.
for name in ("host.docker.internal", "host.containers.internal"):
    attempt(["tcp", name], lambda: connect(inet, stream, (name, known["tcp"])))
    attempt(["udp", name], lambda: connect(inet, datagram, (name, known["udp"])))

try:
    interfaces = [name for index, name in socket.if_nameindex()]
except OSError:
    interfaces = []  # netlink is closed too: they cannot even be asked for
{"reached": reached, "tried": tried, "interfaces": interfaces}
