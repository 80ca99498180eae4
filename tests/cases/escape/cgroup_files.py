# expect: status=success result=[]
# Every control file that is seen: written, and a group of one's own made (cgroups(7))
for folder, folders, files in os.walk("/sys/fs/cgroup"):
    for name in files:
        path = os.path.join(folder, name)
        attempt(path, lambda: os.close(os.open(path, os.O_WRONLY)))
    attempt(folder + "/", lambda: os.mkdir(os.path.join(folder, "mcp-bridge-mark")))
reached
