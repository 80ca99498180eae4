# expect: status=limit verdict=disk error=OSError
with open("full", "wb") as file:
    while True:
        file.write(b"x" * (1 << 20))
