# expect: status=success result=[]
# A detached copy of the root is made writable with mount_setattr (container escape lists: open_tree)
CLONE, RECURSIVE, RDONLY = 1, 0x8000, 1


def copy():
    tree = syscall("open_tree", -100, b"/", CLONE | RECURSIVE)
    syscall("mount_setattr", tree, b"", 0x1000 | RECURSIVE, struct.pack("QQQQ", 0, RDONLY, 0, 0), 32)
    os.close(os.open("mark", os.O_CREAT | os.O_WRONLY, dir_fd=tree))


attempt("a writable copy of /", copy)
in_child(lambda: as_own_root(lambda: attempt("a writable copy of / as own root", copy)))
reached
