# Threads, locks, conditions, thread pools, names and local storage.
import concurrent.futures
import queue
import threading

total = 0
lock = threading.Lock()


def add(number):
    global total
    local = threading.local()
    local.number = number
    with lock:
        total += local.number


threads = [threading.Thread(target=add, args=(n,), name="thread %d" % n) for n in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert total == 190, total
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert list(pool.map(abs, range(-50, 0))) == list(range(50, 0, -1))
things = queue.Queue()
timer = threading.Timer(0.01, things.put, ["rung"])
timer.start()
assert things.get(timeout=10) == "rung"
barrier = threading.Barrier(3)
waiting = [threading.Thread(target=barrier.wait) for _ in range(2)]
for thread in waiting:
    thread.start()
barrier.wait(10)
assert threading.get_native_id() > 0
print("ok")
