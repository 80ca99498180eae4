# expect: status=limit verdict=memory
# expect embedded_user (no control group counts such memory, so it is refused): status=error error=OSError
# Memory in files that have no name and are mapped by nobody (memfd_create(2))
held = []
while True:
    file = os.memfd_create("held")
    held.append(file)
    for _ in range(16):
        os.write(file, b"x" * (1 << 20))
