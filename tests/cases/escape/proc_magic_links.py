# expect: status=success result=[]
# The host's files by way of links that the kernel makes: root, cwd, fd, of every process (CVE-2024-21626)
ways = []
for name in os.listdir("/proc"):
    if name.isdigit() or name in ("self", "thread-self"):
        ways += ["/proc/%s/%s" % (name, link) for link in ("root", "cwd")]
        try:
            ways += ["/proc/%s/fd/%s" % (name, number) for number in os.listdir("/proc/%s/fd" % name)]
        except OSError:
            pass
for way in ways:
    for up in ("", "/..", "/../../../../../../../../../.."):
        attempt(way + up, lambda: os.stat(way + up + host.file))
reached
