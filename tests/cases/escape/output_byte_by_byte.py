# expect: status=success timeout=60 result=true
# A hundred thousand writes of one byte, to two streams in turn: each is a frame of its own at worst (denial of service by small packets)
for number in range(100_000):
    os.write(1 + number % 2, b"x")
True
