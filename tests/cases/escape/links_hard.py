# expect: status=success result=[]
# A second name for a file that cannot be written, in a folder that can (hard links; linkat of descriptors)
for path in ("/etc/passwd", "/etc/hosts", sys.executable, os.__file__, "/proc/self/exe", "/proc/self/mem", "/dev/null"):
    for place in ("/tmp/name", "/workspace/name", "/dev/shm/name"):
        attempt("%s as %s" % (path, place), lambda: os.link(path, place))
        attempt("%s as %s, followed" % (path, place), lambda: os.link(os.path.realpath(path), place, follow_symlinks=True))
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    # linkat with AT_EMPTY_PATH
    attempt("descriptor of " + path, lambda: libc.linkat(file, b"", -100, b"/tmp/named", 0x1000) and os.stat("/tmp/named"))
    os.close(file)
reached
