"""The program's stdout and stderr: two pipes to the supervisor, kept in order."""

from __future__ import annotations

import io
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIONREAD = 0x541B
PATIENCE = 0.02


class OutputPipe(io.FileIO):
    """Writes at once and in full. Before the first write after one to the other stream, the other's bytes must have
    been taken by the supervisor: two pipes have no common order of their own."""

    last: OutputPipe | None = None

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)

    def write(self, data: Any, /) -> int:
        """Write everything, however often the kernel takes only a part."""
        other = OutputPipe.last
        if other is not self:
            OutputPipe.last = self
            if other is not None:
                other.settle()
        with memoryview(data) as given, given.cast("B") as view:
            done = 0
            while done < len(view):
                done += super().write(view[done:]) or 0
            return done

    def settle(self) -> None:
        """Wait, but not for long, until the pipe is empty."""
        import fcntl

        deadline = time.monotonic() + PATIENCE
        waiting = bytearray(4)
        try:
            while not fcntl.ioctl(self.fileno(), FIONREAD, waiting) and any(waiting):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.00005)
        except (OSError, ValueError):
            pass  # closed, or no pipe any more: the program's choice


def text_stream(pipe: OutputPipe) -> io.TextIOWrapper:
    """UTF-8 whatever the locale, nothing held back, and no character that cannot be printed."""
    # No buffer between: the interpreter itself does it this way for `python -u`.
    return io.TextIOWrapper(pipe, "utf-8", "backslashreplace", write_through=True)
