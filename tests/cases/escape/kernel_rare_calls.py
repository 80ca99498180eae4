# expect: status=success result=[]
# Calls that hardly any program needs and that had faults: mount lists, memory of others, dcookies, quotas, swap, accounting (Docker's list of refused calls)
for name, arguments in (("lookup_dcookie", (0, 0, 0)), ("migrate_pages", (1, 64, b"\1" * 8, b"\1" * 8)),
                        ("move_pages", (1, 1, struct.pack("Q", 0x400000), None, b"\0" * 8, 0))):
    knock(name, lambda: syscall(name, *arguments))
NUMBERS.update(acct=(163, 89), swapon=(167, 224), quotactl=(179, 60), quotactl_fd=(443, 443), reboot=(169, 142),
               nfsservctl=(180, 42), iopl=(172, 999), ioperm=(173, 999), modify_ldt=(154, 999))
knock("acct", lambda: syscall("acct", b"/tmp"))
knock("swapon", lambda: syscall("swapon", b"/tmp", 0))
knock("quotactl", lambda: syscall("quotactl", 0x800007 << 8, b"/dev/none", 0, 0))
knock("reboot", lambda: syscall("reboot", 0, 0, 0, 0))
knock("nfsservctl", lambda: syscall("nfsservctl", 0, 0, 0))
knock("iopl", lambda: syscall("iopl", 3))
knock("ioperm", lambda: syscall("ioperm", 0, 1, 1))
reached
