# expect: status=limit verdict=output timeout=60
# Empty lines without end, from several children at once (denial of service by output)
for _ in range(3):
    if os.fork() == 0:
        break
while True:
    os.write(1, b"\n" * 65536)
