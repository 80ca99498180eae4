# expect: status=success result=[]
# Characters are typed into the terminal of whoever started the bridge: TIOCSTI, TIOCLINUX (CVE-2017-5226, CVE-2023-1523)
import fcntl

for path in ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/vcs", "/dev/ttyS0", "/dev/pts/0", "/dev/pts/1"):
    try:
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        continue
    reached.append("opened " + path)
    os.close(terminal)
for number in range(64):
    attempt("typed into %d" % number, lambda: fcntl.ioctl(number, 0x5412, b"x"))
    attempt("console of %d" % number, lambda: fcntl.ioctl(number, 0x541C, b"\x03"))
    attempt("own terminal %d" % number, lambda: fcntl.ioctl(number, 0x540E, 1))
knock("vhangup", lambda: syscall("vhangup"))
reached
