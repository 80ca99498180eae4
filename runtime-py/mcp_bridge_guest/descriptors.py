"""File descriptors: out of the program's way, and roomy."""

from __future__ import annotations

HIGH = 200
F_SETPIPE_SZ = 1031
PIPE_SIZE = 256 * 1024


def high(descriptor: int) -> int:
    """A copy of a descriptor out of the way of the program's own, not inherited by what it starts."""
    import fcntl

    try:
        return int(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH))
    except OSError:  # a low limit on open files
        return int(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 64))


def widen(pipe: int) -> None:
    """Let a pipe hold more than 64 KiB, so that a flood costs fewer turns."""
    try:
        import fcntl

        fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_SIZE)
    except (ImportError, OSError):
        pass  # the user's allowance for pipes is spent: slower, not wrong
