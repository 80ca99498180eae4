# expect: status=success result=[]
# Mounts are made shared, so that one made inside appears outside (CVE-2016-8867 and kin)
for flag in (1 << 20, 1 << 19, 1 << 18):
    for path in (b"/", b"/tmp", b"/workspace", b"/proc"):
        attempt("%x %s" % (flag, path.decode()), lambda: syscall("mount", None, path, None, flag | 0x4000, None))
# Whether any mount is shared with the host already.
for line in open("/proc/self/mountinfo"):
    optional = line.split(" - ")[0].split()[6:]
    if any(field.startswith("shared:") for field in optional):
        reached.append("shared: " + line.split()[4])
reached
