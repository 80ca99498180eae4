# expect: status=success result=[]
# Open files that somebody left behind lead outside (Leaky Vessels, CVE-2024-21626)
import stat

for name in os.listdir("/proc/self/fd"):
    number = int(name)
    try:
        kind = os.fstat(number).st_mode
        link = os.readlink("/proc/self/fd/" + name)
    except OSError:
        continue  # the listing's own
    ours = stat.S_ISFIFO(kind) or link.startswith(("anon_inode:", "socket:")) or link in ("/dev/null", "/dev/urandom")
    if number > 2 and not ours:
        reached.append("%s: %s" % (name, link))
    if stat.S_ISDIR(kind):
        attempt("up from " + name, lambda: os.stat("../../../../../../.." + host.file, dir_fd=number))
for name in os.listdir("/proc/1/task/1/fd") if os.access("/proc/1/task/1/fd", os.R_OK) else []:
    reached.append("of process 1: " + name)
reached
