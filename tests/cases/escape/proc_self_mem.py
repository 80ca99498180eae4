# expect: status=success result=[]
# The memory of a read-only file is written through /proc/self/mem: the file must stay (Dirty COW, CVE-2016-5195)
import mmap

path = os.path.join(os.path.dirname(os.__file__), "this.py")
before = open(path, "rb").read()
with open(path, "rb") as file:
    page = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    shared = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
for line in open("/proc/self/maps"):
    if line.rstrip().endswith("this.py"):
        start = int(line.split("-")[0], 16)

        def overwrite():
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(start)
                memory.write(b"#")

        try:
            overwrite()
        except OSError:
            pass
if open(path, "rb").read() != before or shared[:] != before:
    reached.append("the file has changed")
reached
