# expect: status=success result=[]
# The clocks are set, to the time they show (clock_settime, settimeofday, adjtimex; CAP_SYS_TIME)
import time

now = time.time()
seconds = struct.pack("qq", int(now), 0)
for clock in (0, 1, 7, 11):
    attempt("clock_settime %d" % clock, lambda: syscall("clock_settime", clock, struct.pack("qq", int(time.time()), 0)))
attempt("settimeofday", lambda: syscall("settimeofday", struct.pack("qq", int(time.time()), 0), None))
# Modes: set the frequency to what nobody can want, so that a permitted call fails by range only.
wanted = ctypes.create_string_buffer(struct.pack("IxxxxqqqqixxxxqqqqqQ", 0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7) + b"\0" * 200)
knock("adjtimex", lambda: syscall("adjtimex", wanted))
knock("clock_adjtime", lambda: syscall("clock_adjtime", 0, wanted))
reached
