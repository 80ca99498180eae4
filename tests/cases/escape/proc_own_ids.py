# expect: status=success result=[]
# A process maps its own ids anew, or moves its clocks (uid_map, setgroups, timens_offsets; CVE-2018-18955)
for name, text in (("uid_map", "0 0 1"), ("uid_map", "0 %d 1" % os.getuid()), ("gid_map", "0 0 1"), ("setgroups", "allow"),
                   ("setgroups", "deny"), ("timens_offsets", "monotonic 1000 0"), ("sessionid", "0"), ("attr/current", "unconfined"), ("attr/exec", "unconfined"),
                   ("attr/keycreate", "unconfined"), ("make-it-fail", "1"), ("clear_refs", "9"), ("oom_adj", "-17")):
    attempt(name, lambda: write("/proc/self/" + name, text))
reached
