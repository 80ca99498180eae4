# expect: status=success result=[]
# Device nodes made in every writable folder: memory, kernel log, disks, loop, tun, fuse, kvm (mknod(2))
import stat

nodes = [("mem", 1, 1), ("kmem", 1, 2), ("port", 1, 4), ("kmsg", 1, 11), ("loop-control", 10, 237), ("fuse", 10, 229),
         ("tun", 10, 200), ("kvm", 10, 232), ("uinput", 10, 223), ("tty0", 4, 0), ("ram0", -1, 0), ("null", 1, 3)]
for place in ("/tmp/", "/workspace/", "/dev/shm/", "/dev/", "/dev/mqueue/"):
    for name, major, minor in nodes:
        kind = stat.S_IFCHR if major > 0 else stat.S_IFBLK
        attempt(place + name, lambda: os.mknod(place + name, kind | 0o666, os.makedev(abs(major), minor)))
reached
