# expect: status=timeout verdict=time timeout=3
# A frame that comes a byte at a time and is never whole: the deadline holds ("slow loris")
import gc
import time

gc.unfreeze()
pipe = next(each for each in gc.get_objects() if type(each).__name__ == "Channel")._write
os.set_blocking(pipe, True)
os.write(pipe, b"\x00\x10\x00\x00C")
while True:
    os.write(pipe, b"{")
    time.sleep(0.05)
