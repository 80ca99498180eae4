# expect: status=success result=false
# expect podman (its own filter lets user namespaces be made; nothing is gained in them): status=success result=true
# User namespaces in user namespaces, as deep as they go (CVE-2018-18955; the door to most kernel faults of late)
def deeper():
    for depth in range(40):
        uid, gid = os.getuid(), os.getgid()
        syscall("unshare", NEWUSER)
        reached.append("level")
        write("/proc/self/setgroups", "deny") if depth == 0 else None
        write("/proc/self/uid_map", "0 %d 1" % uid)
        write("/proc/self/gid_map", "0 %d 1" % gid)


in_child(deeper)
bool(reached)
