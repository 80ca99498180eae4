# expect: status=success result=[]
# Libraries that every program loads: ld.so.preload, ld.so.cache, ld.so.conf.d; and a library of one's own from a writable folder (MITRE ATT&CK T1574.006)
import shutil

for path in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/ld.so.conf.d/mark.conf", "/etc/profile", "/etc/environment",
             "/etc/nsswitch.conf", "/lib/mark.so", "/usr/lib/mark.so", "/usr/local/lib/mark.so"):
    attempt(path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)))
library = next(line.split()[-1] for line in open("/proc/self/maps") if "/libc" in line and ".so" in line)
for place in ("/tmp/library.so", "/workspace/library.so", "/dev/shm/library.so"):
    shutil.copyfile(library, place)
    attempt(place, lambda: ctypes.CDLL(place))
reached
