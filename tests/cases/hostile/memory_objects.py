# expect: status=limit verdict=memory
# expect embedded_user_forked (what is shared with the parent is not its own, so the limit of one process is met first): status=limit verdict=memory error=MemoryError
grow = []
while True:
    grow.append([object() for _ in range(1000)])
