# expect: status=success result=[]
# The classic: an open folder, chroot, fchdir, and up (chroot(2); "breaking out of chroot")
def climb():
    outside = os.open("/", os.O_RDONLY)
    os.makedirs("/tmp/jail", exist_ok=True)
    syscall("chroot", b"/tmp/jail")
    os.fchdir(outside)
    for _ in range(64):
        os.chdir("..")
    syscall("chroot", b".")
    attempt("the host's file", lambda: os.stat(host.file))


attempt("chroot", lambda: syscall("chroot", b"/tmp"))
as_own_root(climb)
reached
