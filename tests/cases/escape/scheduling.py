# expect: status=success result=[]
# A place before everybody else's: real time, deadlines, disk priority (sched_setattr, ioprio_set; CAP_SYS_NICE)
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    attempt("policy %d" % policy, lambda: os.sched_setscheduler(0, policy, os.sched_param(1)))
attempt("deadline", lambda: syscall("sched_setattr", 0, struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 10**7, 3 * 10**7, 3 * 10**7), 0))
for kind in (1, 2, 3):
    for who in (1, 2, 3):
        if kind == 1:
            attempt("ioprio %d" % who, lambda: syscall("ioprio_set", who, 0, kind << 13))
for which in (os.PRIO_PROCESS, os.PRIO_PGRP, os.PRIO_USER):
    attempt("nice %d" % which, lambda: os.setpriority(which, 0, -1))
attempt("nice of 1", lambda: os.setpriority(os.PRIO_PROCESS, 1, -1))
reached
