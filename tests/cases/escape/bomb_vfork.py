# expect: status=limit verdict=processes error=BlockingIOError
# Children that share the parent's memory, made by vfork and left stopped (posix_spawn; RLIMIT_NPROC)
children = []
code = "import time; time.sleep(1000)"
while True:
    children.append(os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", code], {}))
