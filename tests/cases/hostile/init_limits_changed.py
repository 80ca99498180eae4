# expect: status=success result=[]
# PID 1's priority and place in the queue of those to be killed for memory.
import os

changed = []


def attempt(what, act):
    try:
        act()
    except (OSError, ValueError):
        return
    changed.append(what)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


attempt("oom_score_adj", lambda: write("/proc/1/oom_score_adj", "1000"))
attempt("own oom_score_adj", lambda: write("/proc/self/oom_score_adj", "-1000"))
attempt("timerslack", lambda: write("/proc/1/timerslack_ns", "1"))
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
attempt("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)))
changed
