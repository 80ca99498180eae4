# expect: status=success result=[]
# A page of a read-only file is spliced into a pipe and written there: the file must stay (Dirty Pipe, CVE-2022-0847)
path = os.path.join(os.path.dirname(os.__file__), "this.py")
before = open(path, "rb").read()
readable, writable = os.pipe()
filled = os.write(writable, b"x" * 65536)
os.read(readable, filled)
libc.splice.restype = ctypes.c_ssize_t
file = os.open(path, os.O_RDONLY)
offset = ctypes.c_longlong(0)
try:
    if libc.splice(file, ctypes.byref(offset), writable, None, 1, 0) == 1:
        os.write(writable, b"~")
except OSError:
    pass
if open(path, "rb").read() != before:
    reached.append("the file has changed")
reached
