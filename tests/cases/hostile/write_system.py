# expect: status=success result=[]
import os

written = []
for place in ("/", "/etc", "/usr", "/usr/bin", "/bin", "/lib", "/var", "/var/tmp", "/run", "/root", "/home", "/opt", "/srv",
              "/sys", "/proc", "/sys/fs/cgroup", "/dev", "/boot", "/mnt", "/media"):
    path = os.path.join(place, "hostile")
    for act in (lambda: open(path, "w"), lambda: os.mkdir(path), lambda: os.symlink("/", path)):
        try:
            act()
        except OSError:
            continue
        written.append(path)
for path in ("/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/ld.so.preload", "/usr/bin/python3",
             "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
             "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc/register",
             "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
             "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max",
             "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent", "/proc/self/uid_map", "/proc/1/uid_map",
             "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/kvm", "/dev/fuse", "/dev/net/tun"):
    try:
        with open(path, "r+b", buffering=0) as file:
            file.write(file.read(1) or b"1")
    except OSError:
        continue
    written.append(path)
written
