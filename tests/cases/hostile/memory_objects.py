# expect: status=limit verdict=memory
# expect embedded_user (the limit of the process may come before the look at the sum): status=limit verdict=memory error=MemoryError?
grow = []
while True:
    grow.append([object() for _ in range(1000)])
