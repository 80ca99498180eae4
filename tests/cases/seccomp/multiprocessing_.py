# Pools, queues, managers, locks and shared memory, by each way to start a child.
import multiprocessing
import multiprocessing.shared_memory
import sys


def square(number):
    return number * number


def fill(queue, lock, value, array, name):
    block = multiprocessing.shared_memory.SharedMemory(name)
    with lock:
        value.value += 1
        array[0] = 0.5
        block.buf[0] = 9
    block.close()
    queue.put("done")


def main():
    for way in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(way)
        with context.Pool(2) as pool:
            assert pool.map(square, range(10)) == [n * n for n in range(10)], way
        block = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
        queue, lock = context.Queue(), context.Lock()
        value, array = context.Value("i", 0), context.Array("d", 4)
        children = [context.Process(target=fill, args=(queue, lock, value, array, block.name)) for _ in range(2)]
        for child in children:
            child.start()
        assert [queue.get(timeout=60) for _ in children] == ["done", "done"], way
        for child in children:
            child.join(60)
            assert child.exitcode == 0, (way, child.exitcode)
        assert (value.value, array[0], block.buf[0]) == (2, 0.5, 9), way
        block.close()
        block.unlink()
    with multiprocessing.get_context("fork").Manager() as manager:
        shared = manager.dict(a=1)
        shared["b"] = manager.list([1, 2])
        assert list(shared["b"]) == [1, 2]
    here, there = multiprocessing.Pipe()
    here.send({"x": [1]})
    assert there.recv() == {"x": [1]}
    event = multiprocessing.get_context("fork").Event()
    event.set()
    assert event.wait(10)


if __name__ == "__main__":
    main()
    print("ok")
    sys.stdout.flush()
