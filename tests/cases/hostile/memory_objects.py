# expect: status=limit verdict=memory
grow = []
while True:
    grow.append([object() for _ in range(1000)])
