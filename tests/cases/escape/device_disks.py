# expect: status=success result=[]
# The host's disks, by the numbers that the kernel tells: a node for each, and each opened by name (container escape lists: debugfs)
import stat

disks = {("sda", 8, 0), ("vda", 254, 0), ("vda", 253, 0), ("loop0", 7, 0), ("nvme0n1", 259, 0), ("dm-0", 252, 0)}
if os.path.exists("/proc/partitions"):
    for line in open("/proc/partitions").read().splitlines()[2:]:
        major, minor, blocks, name = line.split()
        disks.add((name, int(major), int(minor)))
for name, major, minor in sorted(disks):
    attempt("/dev/" + name, lambda: os.close(os.open("/dev/" + name, os.O_RDONLY)))
    attempt("node of " + name, lambda: os.mknod("/tmp/" + name, stat.S_IFBLK | 0o666, os.makedev(major, minor)))
reached
