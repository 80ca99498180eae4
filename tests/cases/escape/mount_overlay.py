# expect: status=success result=[]
# An overlay over /etc makes it writable (CVE-2021-3493, CVE-2023-0386)
def overlay():
    for name in ("upper", "work", "all"):
        os.makedirs("/tmp/" + name, exist_ok=True)
    syscall("mount", b"overlay", b"/tmp/all", b"overlay", 0, b"lowerdir=/etc,upperdir=/tmp/upper,workdir=/tmp/work")
    write("/tmp/all/passwd", same("/tmp/all/passwd"))


in_child(lambda: attempt("overlay over /etc", overlay))
reached
