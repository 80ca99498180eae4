# expect: status=success result=[]
# A crash writes a file, or starts a program on the host: core_pattern (CVE-2015-1318: apport; CVE-2025-4598: systemd-coredump)
import resource
import signal

for wanted in (1 << 30, resource.RLIM_INFINITY):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (wanted, wanted))
    except (OSError, ValueError):
        pass
for number in (signal.SIGSEGV, signal.SIGQUIT, signal.SIGABRT):
    os.chdir("/workspace")
    child = os.fork()
    if child == 0:
        syscall("prctl", 4, 1, 0, 0, 0)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(0)
    if os.WCOREDUMP(os.waitpid(child, 0)[1]):
        reached.append("dumped by %d" % number)
reached += [name for place in ("/workspace", "/tmp", "/") for name in os.listdir(place) if name.startswith("core.") or name == "core"]
reached
