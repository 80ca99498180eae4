# expect: status=success result=[]
# Files of the host by their inode number: open_by_handle_at ("shocker", 2014)
for path in ("/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/tmp", "/proc", "/usr"):
    try:
        place = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    for inode in (2, 1, 128, 256):
        for kind, body in ((1, struct.pack("II", inode, 0)), (0x81, struct.pack("QI", inode, 0)), (0x4D, struct.pack("QQI", inode, 5, 0))):
            handle = struct.pack("Ii", len(body), kind) + body
            attempt("%s %d %x" % (path, inode, kind), lambda: syscall("open_by_handle_at", place, handle, 0))
reached
