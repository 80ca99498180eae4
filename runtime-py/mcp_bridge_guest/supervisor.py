"""PID 1 of the sandbox. It runs no code of the program's, forwards what the program prints, reaps what it leaves, and
ends everything when the host hangs up."""

from __future__ import annotations

# Not the public `signal`, which wraps this one in enums: without .pyc files that alone costs some 30 ms.
import _signal  # type: ignore[import-not-found]
import os
import select
import sys
import time

from mcp_bridge_guest.counters import Counters
from mcp_bridge_guest.descriptors import PIPE_SIZE, widen
from mcp_bridge_guest.frames import MAGIC, VERSION, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

# A read buffer above 128 KiB is mapped and unmapped for every read; that would make each small print ten times dearer.
CHUNK = 64 * 1024
HOST, SINK = 0, 2
# Seconds; a little more than the host waits for our last word.
LINGER = 2.0
POLLRDHUP = 0x2000


def main(
    worker: int, sources: dict[int, bytes], bell: int, counters: Counters, gate: int, parcel: Callable[[], bytes]
) -> NoReturn:
    """Watch over the worker. `parcel` makes what goes through its gate: the code that it runs on with."""
    supervisor = Supervisor(worker, sources, bell, counters)
    try:
        supervisor.prepare()
        # Only now may the worker take a program: what is to protect us from it stands.
        pass_through(gate, parcel())
        supervisor.watch()
    except BaseException as error:
        # Not a traceback: the stream carries frames. The host sees the end of it without `Exited`.
        supervisor.last_words(encode(b"E", f"mcp-bridge supervisor: {error!r}\n".encode("utf-8", "replace")))


def pass_through(gate: int, parcel: bytes) -> None:
    """Write a parcel in full, and close."""
    widen(gate)  # else we would wait here until the worker has imported all it wants
    rest = memoryview(parcel)
    try:
        while rest:
            rest = rest[os.write(gate, rest) :]
    except BrokenPipeError:
        pass  # the worker has died; how is seen soon
    os.close(gate)


def seal() -> bool:
    """Make this process undumpable, so that the program cannot open our descriptors through /proc."""
    try:
        import _ctypes

        # ctypes itself is a large module; the call is the same by its C half.
        program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        prctl = _ctypes.dlsym(program, "prctl")
        call = _ctypes.call_function
        return bool(call(prctl, (4, 0, 0, 0, 0)) == 0 and call(prctl, (3, 0, 0, 0, 0)) == 0)
    except (ImportError, AttributeError, OSError):
        return False


def has_compiled_library() -> bool:
    """Whether the standard library has .pyc files, or will be compiled anew in this sandbox."""
    library = os.path.dirname(os.__file__)
    return os.path.exists(f"{library}/asyncio/__pycache__/__init__.{sys.implementation.cache_tag}.pyc")


class Supervisor:
    """The loop of PID 1. `sources` are the capture pipes with the kind of frame each becomes; at `bell` the worker
    rings when a program has ended."""

    def __init__(self, worker: int, sources: dict[int, bytes], bell: int, counters: Counters) -> None:
        self.worker = worker
        self.sources = sources
        self.bell = bell
        self.rung = False
        self.counters = counters
        self.status: int | None = None
        self.pending = memoryview(b"")
        self.wake = -1
        self.poller = select.poll()

    def prepare(self) -> None:
        """Ignore signals, seal the process, make every descriptor non-blocking, greet the host."""
        self.wake, wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_write, False)
        _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda number, frame: None)
        for number in range(1, _signal.NSIG):
            if number not in (_signal.SIGCHLD, _signal.SIGKILL, _signal.SIGSTOP):
                try:
                    _signal.signal(number, _signal.SIG_IGN)
                except (OSError, ValueError):
                    pass  # the C library keeps two for itself
        sealed = seal()
        # Nobody but the worker holds the program's stream, so the host sees its end when the worker ends.
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 1)
        os.close(null)
        os.set_blocking(SINK, False)
        os.set_blocking(self.bell, False)
        for source in self.sources:
            os.set_blocking(source, False)
            widen(source)
        python = "{}.{}.{}".format(*sys.version_info[:3])
        hello = (
            f'{{"version": {VERSION}, "python": "{python}", "compiled": {str(has_compiled_library()).lower()},'
            f' "pid": {self.worker}, "sealed": {str(sealed).lower()}}}'
        )
        self.send(MAGIC + encode(b"H", hello.encode()))

    def watch(self) -> NoReturn:
        """Forward output until the worker has ended or the host has hung up."""
        self.reap()
        self.poller.register(HOST, POLLRDHUP)
        self.poller.register(self.bell, select.POLLIN)
        while self.status is None:
            for descriptor in self.ready():
                self.forward(descriptor)
            if self.rung:
                self.rung = False
                # All that the program printed is in the pipes: it need not be waited for until its process has ended.
                self.drain(self.flush)
                self.flush()
                self.send(self.told(b"D"))
        os.set_blocking(HOST, False)
        self.poller.register(HOST, select.POLLIN | POLLRDHUP)
        # What the dead worker wrote is all in the pipes; what a grandchild goes on writing is not waited for.
        self.drain(self.flush)
        if os.WIFSIGNALED(self.status):
            how = f'"signal": {os.WTERMSIG(self.status)}'
        else:
            how = f'"code": {os.WEXITSTATUS(self.status)}'
        self.flush()
        self.send(self.told(b"Z", how))
        self.flush()
        self.linger()
        self.end()

    def ready(self) -> list[int]:
        """Wait; answer with the sources that can be read. Sees to hang-up, children and our own unsent bytes."""
        self.poller.register(self.wake, select.POLLIN)
        # While the host does not take what we have, nothing more is read: the program waits, memory does not grow.
        self.poller.register(SINK, select.POLLOUT if self.pending else 0)
        for source in self.sources:
            self.poller.register(source, 0 if self.pending else select.POLLIN)
        found = []
        for descriptor, events in self.poller.poll():
            if descriptor == HOST and self.status is not None and self.discard():
                continue
            if descriptor == HOST or (descriptor == SINK and events & select.POLLERR):
                # What was printed until now, as far as the host takes it without being waited for.
                self.drain(self.push)
                self.last_words(self.told(b"Z", '"hangup": true'))
            elif descriptor == SINK:
                self.push()
            elif descriptor == self.wake:
                os.read(self.wake, 4096)
                self.reap()
            elif descriptor == self.bell:
                self.listen()
            elif not self.pending:
                found.append(descriptor)
            elif events & select.POLLHUP:
                self.forget(descriptor)  # else it would be told again and again until the host reads
        return found

    def listen(self) -> None:
        """Hear the bell, however often it was rung; when nobody holds its rope any more, listen no longer."""
        if os.read(self.bell, 4096):
            self.rung = True
        else:
            self.forget(self.bell)

    def forget(self, descriptor: int) -> None:
        """Listen to a descriptor no longer, if that was ever done: a worker may have ended before we first listened."""
        try:
            self.poller.unregister(descriptor)
        except KeyError:
            pass

    def discard(self) -> bool:
        """Take replies that nobody waits for any more; False at the end of the input."""
        try:
            return bool(os.read(HOST, CHUNK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def linger(self) -> None:
        """Stay until the host has hung up, but not for long. Replies may be on their way when a program ends, and an
        engine that meets a closed pipe on the way in loses what is still on its way out (Podman does)."""
        poller = select.poll()
        poller.register(HOST, select.POLLIN)
        until = time.monotonic() + LINGER
        while self.discard() and time.monotonic() < until:
            poller.poll(max(0.0, until - time.monotonic()) * 1000)

    def drain(self, make_room: Callable[[], None]) -> None:
        """Forward what is in the pipes now: no more than they hold, whoever goes on writing."""
        for source in tuple(self.sources):
            budget = PIPE_SIZE
            while budget > 0 and source in self.sources:
                make_room()
                moved = self.forward(source)
                if moved == 0:
                    break
                budget -= moved

    def forward(self, source: int) -> int:
        """Move one chunk from a capture pipe to the host; how many bytes it was."""
        if self.pending:
            return 0
        try:
            data = os.read(source, CHUNK)
        except BlockingIOError:
            return 0
        if data:
            self.send(encode(self.sources[source], data))
        else:
            self.forget(source)
            os.close(source)
            del self.sources[source]
        return len(data)

    def send(self, data: bytes) -> None:
        """Write to the host as much as it takes now; the rest stays in `pending`."""
        self.pending = memoryview(bytes(self.pending) + data if self.pending else data)
        self.push()

    def push(self) -> None:
        """Write what is pending, without waiting."""
        try:
            while self.pending:
                self.pending = self.pending[os.write(SINK, self.pending) :]
        except BlockingIOError:
            pass
        except OSError:
            self.end()  # nobody reads any more

    def flush(self) -> None:
        """Wait until the host has taken all that is pending, or hangs up."""
        while self.pending:
            self.ready()

    def reap(self) -> None:
        """Take every child that has ended; remember how the worker did."""
        try:
            while True:
                child, status = os.waitpid(-1, os.WNOHANG)
                if child == 0:
                    return
                if child == self.worker:
                    self.status = status
        except ChildProcessError:
            pass

    def told(self, kind: bytes, *how: str) -> bytes:
        """A `Drained` or `Exited` frame: with what the kernel counted."""
        return encode(kind, ("{" + ", ".join([*how, *self.counters.changes()]) + "}").encode())

    def last_words(self, frame: bytes) -> NoReturn:
        """One try to send a frame, if no other one is half sent, and the end of everything."""
        if not self.pending:
            try:
                os.write(SINK, frame)
            except OSError:
                pass
        self.end()

    def end(self) -> NoReturn:
        """Leave; the kernel ends the rest of our PID namespace, and where we are not PID 1 we do."""
        if os.getpid() != 1:
            try:
                os.killpg(self.worker, _signal.SIGKILL)
            except OSError:
                pass
        os._exit(0)
