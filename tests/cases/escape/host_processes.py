# expect: status=success result=[]
# Processes that are not the program's: by number, by signal 0, by pidfd, by /proc (container escape lists: hostPID)
import time

mine = {1, os.getpid(), os.getppid()}
started = time.monotonic()
for number in [*range(2, 40_000), host.process, host.process_parent]:
    if number in mine:
        continue
    attempt(number, lambda: os.kill(number, 0))
for number in (host.process, host.process_parent, 2, 3):
    if number not in mine:
        attempt("pidfd %d" % number, lambda: syscall("pidfd_open", number, 0))
        attempt("proc %d" % number, lambda: os.stat("/proc/%d" % number))
# Threads of our own are no finding.
own = {int(name) for name in os.listdir("/proc/self/task")}
[each for each in reached if each not in own]
