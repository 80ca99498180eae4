"""The worker's end of the pipe: calls go out, each reply goes to whoever waits for it.

No thread of its own. Event loops read when the pipe is readable, each loop that has asked something; threads that wait
synchronously take turns at reading. Whoever reads hands out all that has come.
"""

from __future__ import annotations

import _thread
import asyncio
import json
import os
import select
import weakref

from mcp_bridge_guest.descriptors import high
from mcp_bridge_guest.files import Files
from mcp_bridge_guest.frames import Decoder, FrameError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from mcp_bridge_guest.frames import Payload

CHUNK = 64 * 1024  # larger buffers are mapped and unmapped by the allocator each time
TOGETHER = 4096  # bytes of calls of one turn that leave together: some forty, so that the host begins meanwhile
START = 0  # what `Start` answers: no call has this number
EXIT_PIPE_CLOSED = 113  # the program closed our descriptors
EXIT_GUEST_FAILED = 114
EXIT_HOST_GONE = 115


class FutureWaiter:
    """A coroutine that waits for a reply."""

    __slots__ = ("future", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[Payload] = loop.create_future()

    def deliver(self, payload: Payload) -> None:
        """Give the reply to the coroutine, in its own loop and thread."""
        if asyncio._get_running_loop() is self.loop:
            self.settle(payload)
        else:
            try:
                self.loop.call_soon_threadsafe(self.settle, payload)
            except RuntimeError:
                pass  # that loop is closed

    def settle(self, payload: Payload) -> None:
        """Complete the future unless it was cancelled meanwhile."""
        if not self.future.done():
            self.future.set_result(payload)


class ThreadWaiter:
    """A thread that waits for a reply."""

    __slots__ = ("payload", "turn")

    def __init__(self) -> None:
        self.payload: Payload | None = None
        self.turn = _thread.allocate_lock()
        self.turn.acquire()

    def deliver(self, payload: Payload) -> None:
        """Give the reply to the thread."""
        self.payload = payload
        self.wake()

    def wake(self) -> None:
        """Let the thread look again: there is a reply, or it is its turn to read."""
        try:
            self.turn.release()
        except RuntimeError:
            pass  # woken already


class Channel:
    """The pipe, for any number of event loops and threads of this process, and for no other process."""

    def __init__(self, read: int, write: int, bell: int) -> None:
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        os.set_blocking(bell, False)
        self._read, self._write, self._bell = read, write, bell
        self.process = os.getpid()
        self._disowned = False
        self._decoder = Decoder()
        self.files = Files()
        self._outgoing = bytearray()
        self._waiting: dict[int, FutureWaiter | ThreadWaiter] = {}
        self._count = 0
        self._start: Payload | None = None  # one that came before it was waited for
        self._lock = _thread.RLock()
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        # The loop that has sent a call in this turn: what follows in the same turn is sent together.
        self._turn: asyncio.AbstractEventLoop | None = None
        # One thread at a time reads for all that wait; a byte in this pipe makes it look up.
        self._leading = _thread.allocate_lock()
        self._polling = False
        wake_read, wake_write = os.pipe()
        self._wake_read, self._wake_write = high(wake_read), high(wake_write)
        os.close(wake_read)
        os.close(wake_write)
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    # What the rest of the guest uses.

    def receive_start(self) -> Payload:
        """Say that a program may come, and wait for its `Start`."""
        waiter = ThreadWaiter()
        with self._lock:
            self._outgoing += encode(b"A", b"{}")
            self._send()
            waiter.payload, self._start = self._start, None
            if waiter.payload is None:
                self._waiting[START] = waiter
        # Threads that an earlier program of the session left may be waiting too.
        return self._wait(START, waiter)

    def begin(self) -> None:
        """Say that the program was taken: from here on it may have done something."""
        with self._lock:
            self._outgoing += encode(b"B", b"{}")
            self._send()

    def ring(self) -> None:
        """Let PID 1 know that a program has ended and has printed what it had to print."""
        nudge(self._bell)

    async def ask(self, operands: str) -> Payload:
        """Send a call, a JSON object without `id`, and wait for its reply."""
        self._check_owner()
        loop = asyncio.get_running_loop()
        waiter = FutureWaiter(loop)
        number = self._submit(waiter, operands, loop)
        if loop not in self._loops:
            loop.add_reader(self._read, self._receive)
            self._loops.add(loop)
        try:
            return await waiter.future
        finally:
            if self._waiting.pop(number, None) is not None:
                self._forget(number)

    def ask_and_wait(self, operands: str) -> Payload:
        """The same for synchronous code; blocks this thread, and an event loop that runs in it."""
        waiter = ThreadWaiter()
        return self._wait(self._submit(waiter, operands, None), waiter)

    def finish(self, frame: bytes) -> None:
        """Send the last frame and see it leave."""
        with self._lock:
            self._outgoing += frame
        while self._outgoing:
            self._send()
            if self._outgoing:
                self._poll()
                self._receive()

    def disown(self) -> None:
        """After a fork, in the child: two processes cannot speak on one pipe."""
        self._disowned = True
        # Not taken off any selector: an inherited epoll is the parent's too.
        for descriptor in (self._read, self._write, self._bell, self._wake_read, self._wake_write):
            try:
                os.close(descriptor)
            except OSError:
                pass

    # How it is done.

    def _wait(self, number: int, waiter: ThreadWaiter) -> Payload:
        """Wait for a reply in this thread; whoever is first reads for all."""
        try:
            while waiter.payload is None:
                if self._leading.acquire(False):
                    try:
                        self._polling = True
                        if waiter.payload is None:
                            self._poll()
                        self._polling = False
                        self._receive()
                        self._send()
                    finally:
                        self._polling = False
                        self._leading.release()
                else:
                    waiter.turn.acquire()
            return waiter.payload
        finally:
            if self._waiting.pop(number, None) is not None:
                self._forget(number)
            self._pass_the_lead()

    def _check_owner(self) -> None:
        if self._disowned:
            raise RuntimeError("a forked child cannot call MCP tools; call them in the program's own process")

    def _submit(
        self, waiter: FutureWaiter | ThreadWaiter, operands: str, loop: asyncio.AbstractEventLoop | None
    ) -> int:
        self._check_owner()
        body = operands[1:].encode()
        with self._lock:
            number = self._count + 1
            frame = encode(b"C", b'{"id": %d, ' % number + body)
            self._count = number
            self._waiting[number] = waiter
            self._outgoing += frame
            if loop is not None:
                if loop is not self._turn:
                    self._turn = loop
                    loop.call_soon(self._end_turn, loop)
                elif len(self._outgoing) < TOGETHER:
                    return number
            self._send()
            try:
                os.fstat(self._read)  # a selector does not notice that a descriptor was closed
            except OSError:
                leave(EXIT_PIPE_CLOSED)
            if self._outgoing and self._polling:
                self._wake_leader()
        return number

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send the calls that were made since the first one of this turn."""
        if self._turn is loop:
            self._turn = None
        self._send()
        if self._outgoing:
            loop.add_writer(self._write, self._continue_sending, loop)

    def _forget(self, number: int) -> None:
        """Tell the host that nobody waits for a call any more."""
        if not self._disowned:
            with self._lock:
                self._outgoing += encode(b"X", b'{"id": %d}' % number)
                self._send()

    def _send(self) -> None:
        """Write what is to be written, as far as the pipe takes it now."""
        with self._lock:
            try:
                while self._outgoing:
                    del self._outgoing[: os.write(self._write, self._outgoing)]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                leave(EXIT_HOST_GONE)
            except OSError:
                leave(EXIT_PIPE_CLOSED)

    def _continue_sending(self, loop: asyncio.AbstractEventLoop) -> None:
        self._send()
        if not self._outgoing:
            loop.remove_writer(self._write)

    def _poll(self) -> None:
        """Wait until there is something to read, or room for what is to be written, or a word from another thread."""
        poller = select.poll()
        poller.register(self._read, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        if self._outgoing:
            poller.register(self._write, select.POLLOUT)
        for descriptor, _events in poller.poll():
            if descriptor == self._wake_read:
                try:
                    os.read(descriptor, 4096)
                except BlockingIOError:
                    pass
                except OSError:
                    leave(EXIT_PIPE_CLOSED)

    def _receive(self) -> None:
        """Read what has come, without waiting, and hand it out."""
        if self._disowned:
            return
        with self._lock:
            try:
                data = os.read(self._read, CHUNK)
            except BlockingIOError:
                return
            except OSError:
                leave(EXIT_PIPE_CLOSED)
            if not data:
                leave(EXIT_HOST_GONE)
            try:
                self._decoder.feed(data)
                while True:
                    frame = self._decoder.next()
                    if frame is None:
                        return
                    if frame[0] == b"R":
                        self._hand_out(reply_id(frame[1]), frame[1])
                    elif frame[0] == b"U":
                        self.files.begin(frame[1])
                    elif frame[0] == b"P":
                        self.files.take(frame[1])
                    elif START in self._waiting:
                        self._hand_out(START, frame[1])
                    else:
                        self._start = frame[1]
            except FrameError:
                leave(EXIT_GUEST_FAILED)

    def _hand_out(self, number: int, payload: Payload) -> None:
        waiter = self._waiting.pop(number, None)
        if waiter is not None:
            waiter.deliver(payload)
            if self._polling and isinstance(waiter, ThreadWaiter):
                self._wake_leader()

    def _wake_leader(self) -> None:
        nudge(self._wake_write)

    def _pass_the_lead(self) -> None:
        """Another thread that waits must read now."""
        with self._lock:
            for waiter in self._waiting.values():
                if isinstance(waiter, ThreadWaiter):
                    waiter.wake()
                    return


def nudge(pipe: int) -> None:
    """Let whoever reads this pipe know that there is something to look at."""
    try:
        os.write(pipe, b"1")
    except BlockingIOError:
        pass  # so full that it is noticed
    except OSError:
        leave(EXIT_PIPE_CLOSED)


def reply_id(payload: Payload) -> int:
    """The `id` of a reply. The value itself is decoded by whoever waits, so that its faults are raised there."""
    if payload.startswith(b'{"id":'):
        return int(payload[6 : payload.index(b",", 6)])
    return int(json.loads(payload)["id"])


def leave(code: int) -> NoReturn:
    """There is no way to report any more: the exit code says why."""
    os._exit(code)
