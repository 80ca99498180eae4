"""What the kernel's control groups counted against this sandbox: kills for memory, refused processes."""

from __future__ import annotations

import os

# (name in `Exited`, key in the file, places of the file: version 1, version 2)
COUNTERS = (
    ("oom_kills", b"oom_kill", ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")),
    ("pids_denied", b"max", ("/sys/fs/cgroup/pids/pids.events", "/sys/fs/cgroup/pids.events")),
)


class Counters:
    """The files are opened before the program runs: whatever it does to our limits, they can be read at the end."""

    def __init__(self) -> None:
        self._files: list[tuple[str, bytes, int, int]] = []
        for name, key, paths in COUNTERS:
            for path in paths:
                try:
                    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    continue
                before = read(file, key)
                if before is None:
                    os.close(file)
                    continue
                self._files.append((name, key, file, before))
                break

    def close(self) -> None:
        """Close the files (in the worker, which is not to have them)."""
        for _name, _key, file, _before in self._files:
            os.close(file)

    def changes(self) -> list[str]:
        """JSON members, one for each counter that can be read: how much was counted since the start."""
        members = []
        for name, key, file, before in self._files:
            now = read(file, key)
            if now is not None:
                members.append(f'"{name}": {now - before}')
        return members


def read(file: int, key: bytes) -> int | None:
    """The number behind `key` in a file of `key number` lines."""
    try:
        for line in os.pread(file, 4096, 0).splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == key:
                return int(words[1])
    except (OSError, ValueError):
        pass
    return None
