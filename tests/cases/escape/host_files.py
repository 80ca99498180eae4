# expect: status=success result=[]
# A file, a named pipe and a folder that the host really has, by their own names (container escape lists: hostPath)
for path in (host.file, host.pipe, os.path.dirname(host.file), host.socket):
    attempt("stat " + path, lambda: os.stat(path))
    attempt("open " + path, lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
# A file of the same name is made, in a folder of the sandbox's own: the host's stays as it is.
try:
    os.makedirs(os.path.dirname(host.file))
    write(host.file, "x")
except OSError:
    pass
reached
