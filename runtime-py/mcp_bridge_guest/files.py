"""Files that the host sends ahead of a program, written as they come."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcp_bridge_guest.frames import Payload

# What is not whole yet; a name that no file can have been sent under: it ends with a dot.
PART = ".upload."


class Files:
    """The files of a worker. One is replaced as a whole or not at all: whatever runs beside sees the old or the new."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        # Why the first file that could not be written could not; the program that it was for is not run.
        self.fault: str | None = None
        self._descriptor = -1
        self._left = 0
        self._size = 0
        self._name = self._folder = ""

    def begin(self, payload: Payload) -> None:
        """A file is announced."""
        order = json.loads(payload)
        self._name, self._folder = order["name"], order["folder"]
        self._left = self._size = order["size"]
        if self.fault is None:
            try:
                part = self._path(PART)
                if os.path.lexists(part):
                    os.unlink(part)
                # Not through a link that an earlier program of the session has left there.
                self._descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                self._finish_if_whole()
            except OSError as error:
                self._fail(error)

    def take(self, payload: Payload) -> None:
        """Some of its bytes have come."""
        self._left -= len(payload)
        if self._descriptor >= 0:
            try:
                with memoryview(payload) as rest:
                    written = 0
                    while written < len(payload):
                        written += os.write(self._descriptor, rest[written:])
                self._finish_if_whole()
            except OSError as error:
                self._fail(error)

    def refusal(self) -> str | None:
        """Why the next program must not run, told once."""
        fault, self.fault = self.fault, None
        return fault

    def _path(self, name: str) -> bytes:
        """Whatever the locale is."""
        return os.path.join(self._folder, name).encode()

    def _finish_if_whole(self) -> None:
        if self._left == 0:
            os.close(self._descriptor)
            self._descriptor = -1
            os.replace(self._path(PART), self._path(self._name))
            self.paths[self._name] = os.path.join(self._folder, self._name)

    def _fail(self, error: OSError) -> None:
        reason = f"[Errno {error.errno}] {error.strerror}"
        self.fault = f"{self._name} ({self._size} bytes) could not be written to {self._folder}: {reason}"
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        try:
            os.unlink(self._path(PART))
        except OSError:
            pass  # it was not made
