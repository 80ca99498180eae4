# expect: status=timeout verdict=time timeout=2
while True:
    pass
