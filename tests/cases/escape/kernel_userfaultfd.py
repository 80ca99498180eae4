# expect: status=success result=[]
# Page faults handled by the program, which makes races in the kernel winnable (userfaultfd; CVE-2016-6786 and kin)
for flags in (0, 1, 0o2000000, 0o2000001):
    knock("userfaultfd %x" % flags, lambda: syscall("userfaultfd", flags))
knock("/dev/userfaultfd", lambda: os.open("/dev/userfaultfd", os.O_RDWR))
reached
