# expect: status=success result=[]
# A file, a named pipe and a folder that the host really has, by their own names
for path in (host.file, host.pipe, os.path.dirname(host.file), host.socket):
    attempt("stat " + path, lambda: os.stat(path))
    attempt("open " + path, lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
    attempt("make " + path, lambda: (os.makedirs(os.path.dirname(path)), write(path, "x")))
reached
