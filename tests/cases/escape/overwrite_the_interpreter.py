# expect: status=success result=[]
# The program that started us is overwritten from inside (runc, CVE-2019-5736)
import subprocess

for path in ("/proc/self/exe", "/proc/1/exe", sys.executable, os.path.realpath(sys.executable)):
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        attempt("%s %x" % (path, flags), lambda: os.close(os.open(path, flags)))
    attempt("unlink " + path, lambda: os.unlink(path) if path.startswith("/proc") is False else os.unlink("/proc/none"))
# A child that is not running the file any more could write it: the interpreter again, by its own link.
code = "import os\ntry:\n os.open('/proc/self/exe', os.O_RDWR); print('open')\nexcept OSError: pass"
if subprocess.run(["/proc/self/exe", "-c", code], capture_output=True).stdout:
    reached.append("from a child")
reached
