# expect: status=success result=[]
# A legacy mount option longer than its page (CVE-2022-0185)
def overflow():
    context = syscall("fsopen", b"ext4", 0)
    # One short option: nothing overflows, but whoever gets here could make it.
    syscall("fsconfig", context, 1, b"A", b"B", 0)
    reached.append("a legacy option was taken")


attempt("fsconfig of ext4", overflow)
reached
