# expect: status=success result=[]
# The root is exchanged for a tmpfs and what lay under it is looked at (pivot_root(2))
def pivot():
    os.makedirs("/tmp/new/old", exist_ok=True)
    syscall("mount", b"/tmp/new", b"/tmp/new", None, 4096, None)
    syscall("pivot_root", b"/tmp/new", b"/tmp/new/old")
    # Deeper than any root: the host's own file would be seen from here.
    for up in range(12):
        attempt("the host's file", lambda: os.stat("/old" + "/.." * up + host.file))


attempt("pivot_root", lambda: syscall("pivot_root", b"/tmp", b"/tmp"))
as_own_root(pivot)
reached
