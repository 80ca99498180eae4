# expect: status=success result=[]
# All namespaces of PID 1 at once, by a pidfd (setns(2) since Linux 5.8)
for pid in {1, os.getppid(), os.getpid()} - {0}:
    for flags in (NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP, NEWUSER, NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS):
        attempt("%x of %d" % (flags, pid), lambda: syscall("setns", syscall("pidfd_open", pid, 0), flags))
reached
