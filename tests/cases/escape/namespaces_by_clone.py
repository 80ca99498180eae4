# expect: status=success result=[]
# expect podman (its own filter lets user namespaces be made; nothing is gained in them): status=success result=["user", "user and others"]
# A child in new namespaces by the flags of clone (clone(2); Docker's filter looks at the flags)
def child(flags):
    pid = syscall("clone", flags | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


for name, flags in (("user", NEWUSER), ("mount", NEWNS), ("pid", NEWPID), ("net", NEWNET), ("ipc", NEWIPC), ("uts", NEWUTS),
                    ("cgroup", NEWCGROUP), ("user and others", NEWUSER | NEWNS | NEWPID | NEWNET)):
    attempt(name, lambda: child(flags))
reached
