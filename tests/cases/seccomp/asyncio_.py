# The event loop: sockets, children, signals, threads, files.
import asyncio
import os
import signal
import sys
import tempfile


async def serve(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()


async def main():
    path = os.path.join(tempfile.mkdtemp(), "socket")
    server = await asyncio.start_unix_server(serve, path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"hello\n")
    assert await reader.readline() == b"HELLO\n"
    writer.close()
    server.close()

    child = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", "print(input() * 2)", stdin=-1, stdout=-1)
    assert (await child.communicate(b"ab\n"))[0] == b"abab\n"
    shells = await asyncio.gather(*(asyncio.create_subprocess_shell("exit %d" % n) for n in range(4)))
    assert [await shell.wait() for shell in shells] == [0, 1, 2, 3]

    loop = asyncio.get_running_loop()
    caught = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, caught.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(caught.wait(), 10)
    assert await loop.run_in_executor(None, os.getpid) == os.getpid()
    await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(100)))
    read, write = os.pipe()
    seen = loop.create_future()
    loop.add_reader(read, lambda: seen.set_result(os.read(read, 10)))
    os.write(write, b"pipe")
    assert await asyncio.wait_for(seen, 10) == b"pipe"


asyncio.run(main())
print("ok")
