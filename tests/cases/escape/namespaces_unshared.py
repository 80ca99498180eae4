# expect: status=success result=[]
# Each kind of namespace alone, without a user namespace first (unshare(2))
for name, flag in (("mount", NEWNS), ("cgroup", NEWCGROUP), ("uts", NEWUTS), ("ipc", NEWIPC), ("pid", NEWPID), ("net", NEWNET),
                   ("time", NEWTIME), ("mount and net", NEWNS | NEWNET)):
    in_child(lambda: attempt(name, lambda: syscall("unshare", flag)))
reached
