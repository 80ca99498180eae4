# Signals, timers, clocks, limits, users: asking and setting what is one's own.
import ctypes
import faulthandler
import gc
import os
import resource
import signal
import threading
import time

caught = []
signal.signal(signal.SIGUSR1, lambda number, frame: caught.append(number))
signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
# Again and again: a single alarm on a busy machine may come before anyone waits for it.
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
assert caught[:3] == [signal.SIGUSR1] * 3 and set(caught[3:]) == {signal.SIGALRM}, caught
signal.alarm(100)
assert signal.alarm(0) > 0 and signal.getitimer(signal.ITIMER_REAL) == (0, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
assert signal.sigpending() == {signal.SIGUSR2} and signal.sigwait([signal.SIGUSR2]) == signal.SIGUSR2
assert signal.sigtimedwait([signal.SIGUSR2], 0.01) is None
signal.siginterrupt(signal.SIGUSR1, False)
faulthandler.enable()
assert faulthandler.is_enabled()

time.sleep(0.001)
for clock in (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_THREAD_CPUTIME_ID):
    assert time.clock_gettime(clock) >= 0 and time.clock_getres(clock) > 0
assert time.localtime() and time.strftime("%Z") and os.times().user >= 0

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss and resource.getpagesize()
assert os.uname().sysname == "Linux" and os.sysconf("SC_NPROCESSORS_ONLN") and os.cpu_count() and os.getloadavg()
assert os.sched_getaffinity(0) and os.sched_getscheduler(0) == 0 and os.getpriority(os.PRIO_PROCESS, 0) is not None
assert os.sched_get_priority_max(1) and os.sched_rr_get_interval(0) >= 0 and os.sched_getparam(0).sched_priority == 0
os.sched_yield()

ids = os.getresuid(), os.getresgid(), os.getgroups()
os.setuid(os.getuid())
os.setgid(os.getgid())
os.setresuid(*ids[0])
os.setresgid(*ids[1])
os.umask(os.umask(0o22))
# A group or session whose leader is outside this PID namespace is shown as 0.
assert os.getpgid(0) >= 0 and os.getsid(0) >= 0 and os.getpgrp() >= 0 and os.getppid() >= 0

libc = ctypes.CDLL(None, use_errno=True)
name = ctypes.create_string_buffer(16)
assert libc.prctl(15, b"a name", 0, 0, 0) == 0 and libc.prctl(16, name, 0, 0, 0) == 0 and name.value == b"a name"
assert libc.prctl(4, 0, 0, 0, 0) == 0 and libc.prctl(3, 0, 0, 0, 0) == 0
assert libc.prctl(39, 0, 0, 0, 0) == 1 and libc.personality(0xFFFFFFFF) >= 0
gc.collect()
print("ok")
