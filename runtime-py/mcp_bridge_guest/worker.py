"""The worker: the process that runs the program. Takes the protocol's descriptors out of the program's way, waits for
`Start`, runs, reports; then leaves or, in a session, waits for the next."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os
import sys

from mcp_bridge_guest.descriptors import high

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

EXIT_GUEST_FAILED = 114


def main(out: int, err: int, gate: int, bell: int, unpack: Callable[[bytes], None]) -> NoReturn:
    """Runs in the forked child. `out` and `err` are the capture pipes; through `gate` comes the code to run on with,
    when PID 1 is ready for a program; `bell` is rung when one has ended; `unpack` makes the code importable."""
    try:
        work(out, err, gate, bell, unpack)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(EXIT_GUEST_FAILED)


def work(out: int, err: int, gate: int, bell: int, unpack: Callable[[bytes], None]) -> None:
    """The worker's life."""
    os.setsid()
    signals_as_usual()
    read, write, gate, bell = high(0), high(1), high(gate), high(bell)
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    os.closerange(3, 64)
    be_first_to_die()
    import_asyncio()

    # All this before the program comes: a sandbox that was prepared in advance has it behind it.
    parcel = b"".join(iter(lambda: os.read(gate, 256 * 1024), b""))
    if not parcel:
        os._exit(0)
    os.close(gate)
    unpack(parcel)
    from mcp_bridge_guest.channel import Channel
    from mcp_bridge_guest.program import Program
    from mcp_bridge_guest.streams import OutputPipe, text_stream

    sys.stdout, sys.stderr = text_stream(OutputPipe(1)), text_stream(OutputPipe(2))
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    channel = Channel(read, write, bell)
    os.register_at_fork(after_in_child=channel.disown)
    program = Program(channel)
    program.rehearse()
    # What stands will stand; only what the program makes is worth looking through.
    gc.freeze()
    gc.enable()
    while True:
        keep = program.run(channel.receive_start())
        channel.ring()
        if not keep:
            os._exit(0)


def signals_as_usual() -> None:
    """Whatever was ignored around the sandbox (`nohup`) is not ignored by the program."""
    for name in ("SIGHUP", "SIGQUIT", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGUSR2"):
        _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def import_asyncio() -> None:
    """Import asyncio as it is on a Python built without TLS: `ssl` is a third of its cost, and there is no network.

    A program that imports `ssl` itself gets it.
    """
    if "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]
        try:
            import asyncio  # noqa: F401
        finally:
            del sys.modules["ssl"]


def be_first_to_die() -> None:
    """When memory runs out the kernel shall take the program, not PID 1, which has the truth to tell."""
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(b"1000")
    except OSError:
        pass
