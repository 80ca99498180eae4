"""Frames: a length, a kind byte, a payload. The one thing that supervisor and worker share."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Payload = Union[bytes, bytearray]

MAX_FRAME = 64 * 1024 * 1024 + 1
MAGIC = b"\x00MCPBR1\n"
VERSION = 1
LARGE = 1024 * 1024  # payloads above it are not copied: more than what follows one in a buffer ever is


class FrameError(Exception):
    """The bytes are not a frame, or a frame would be too large."""


def encode(kind: bytes, payload: Payload) -> bytes:
    """One frame, ready to be written."""
    length = 1 + len(payload)
    if length > MAX_FRAME:
        raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_FRAME}")
    return length.to_bytes(4, "big") + kind + payload


class Decoder:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        self._buffer += data

    def next(self) -> tuple[bytes, Payload] | None:
        """The next frame as (kind, payload), or None until more bytes arrive."""
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[:4], "big")
        if not 1 <= length <= MAX_FRAME:
            raise FrameError(f"a frame cannot have the length {length}")
        end = 4 + length
        if len(buffer) < end:
            return None
        if length > LARGE:
            # The buffer itself becomes the payload, and what follows it is copied.
            self._buffer = buffer[end:]
            kind = bytes(buffer[4:5])
            del buffer[end:]
            del buffer[:5]
            return kind, buffer
        with memoryview(buffer) as view:
            kind, payload = bytes(view[4:5]), bytes(view[5:end])
        del buffer[:end]
        return kind, payload

    def partial(self) -> bool:
        """Whether bytes of an unfinished frame are held."""
        return bool(self._buffer)
