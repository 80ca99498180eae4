# expect: status=success result=[]
# Descriptors of places only (O_PATH), opened again for writing through /proc/self/fd (CVE-2019-5736)
for path in ("/", "/etc", "/etc/passwd", "/usr", sys.executable, "/proc/self/exe", "/proc/1/exe", "/proc/sys", os.__file__):
    try:
        place = os.open(path, os.O_PATH)
    except OSError:
        continue
    attempt("%s again" % path, lambda: os.close(os.open("/proc/self/fd/%d" % place, os.O_WRONLY)))
    attempt("%s empty" % path, lambda: os.close(os.open("", os.O_WRONLY, dir_fd=place)))
    attempt("%s mode" % path, lambda: os.chmod("/proc/self/fd/%d" % place, 0o777))
    attempt("%s times" % path, lambda: os.utime("/proc/self/fd/%d" % place))
    attempt("%s up" % path, lambda: os.stat("../../../../../.." + host.file, dir_fd=place))
    os.close(place)
reached
