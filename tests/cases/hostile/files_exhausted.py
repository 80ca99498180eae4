# expect: status=limit verdict=files error=OSError
held = []
while True:
    held.append(open("/dev/null"))
