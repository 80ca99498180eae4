# expect: status=limit verdict=processes error=BlockingIOError
# Children that end and are never asked about (zombies count as processes)
while True:
    if os.fork() == 0:
        os._exit(0)
