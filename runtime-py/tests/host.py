"""A small host for the tests: it starts the real guest on three pipes and speaks the protocol of PROTOCOL.md.

It shares no code with the guest, so a mistake in framing cannot hide on both sides.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from bundle import LOADER, boot_block

MAGIC = b"\x00MCPBR1\n"
DEADLINE = 20.0

Answer = Callable[[dict[str, Any]], Any]


class Failure(Exception):
    """A reply's error."""

    def __init__(self, kind: str, message: str, hint: str | None = None) -> None:
        self.body = {"type": kind, "message": message, "hint": hint, "code": "test.code"}


class Held:
    """An answer that the test gives later, or never."""


def frame(kind: bytes, body: Any) -> bytes:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack(">I", len(payload) + 1) + kind + payload


def split(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Whole frames from bytes; the bytes must end with one."""
    while data:
        (length,) = struct.unpack(">I", data[:4])
        assert 1 <= length <= 64 * 1024 * 1024 + 1
        assert len(data) >= 4 + length, "a frame is cut short"
        yield chr(data[4]), data[5 : 4 + length]
        data = data[4 + length :]


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def structured(value: Any) -> dict[str, Any]:
    return {"content": [], "structuredContent": value}


class Run:
    """One guest. `answer` gets each call's body and returns the `ok` value, raises Failure, or returns Held()."""

    def __init__(
        self,
        code: str | None = None,
        answer: Answer | None = None,
        *,
        servers: Any = (("x", "x"),),
        requested: Any = None,
        limit: int = 1_000_000,
        workspace: str = "/nonexistent",
        env: dict[str, str] | None = None,
        python: str = os.environ.get("GUEST_PYTHON", sys.executable),
    ) -> None:
        self.answer = answer or (lambda call: text("ok"))
        self.calls: list[dict[str, Any]] = []
        self.cancelled: list[int] = []
        self.held: list[int] = []
        self.finished: dict[str, Any] | None = None
        self.exited: dict[str, Any] | None = None
        self.hello: dict[str, Any] | None = None
        self.drained: list[dict[str, Any]] = []
        self.awaiting = 0
        self.begun = 0
        self.output: list[tuple[str, bytes]] = []
        self._buffers = {"program": b"", "supervisor": b""}
        self._greeted = False
        self._to_send = bytearray(boot_block())
        self.process = subprocess.Popen(
            [python, "-I", "-B", "-u", "-c", LOADER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            bufsize=0,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.selector = selectors.DefaultSelector()
        for pipe, name in ((self.process.stdout, "program"), (self.process.stderr, "supervisor")):
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ, name)
        os.set_blocking(self.process.stdin.fileno(), False)
        self.selector.register(self.process.stdin, selectors.EVENT_WRITE, "input")
        if code is not None:
            self.send(b"S", self.start(code, servers, requested, limit, workspace))

    def next(self, code: str, *, session: bool = True, servers: Any = (("x", "x"),)) -> Run:
        """One program of a session, to its end: until it has reported and all that it printed is here."""
        self.output.clear()
        self.finished, drained = None, len(self.drained)
        self.send(b"S", {**self.start(code, servers, None, 1_000_000, "/nonexistent"), "session": session})
        self.until(lambda: self.finished is not None and len(self.drained) > drained)
        return self

    @staticmethod
    def start(code: str, servers: Any, requested: Any, limit: int, workspace: str) -> dict[str, Any]:
        return {
            "version": 1,
            "run": "r-1",
            "filename": "program.py",
            "code": code,
            "servers": [{"name": name, "alias": alias} for name, alias in servers],
            "requested": requested,
            "result_limit": limit,
            "workspace": workspace,
        }

    def send(self, kind: bytes, body: Any) -> None:
        self._to_send += frame(kind, body)
        self._write()

    def reply(self, number: int, value: Any) -> None:
        self.send(b"R", {"id": number, "ok": value})

    def _write(self) -> None:
        stdin = self.process.stdin
        assert stdin
        try:
            while self._to_send:
                del self._to_send[: os.write(stdin.fileno(), self._to_send)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._to_send.clear()
        watched = stdin in self.selector.get_map()
        if self._to_send and not watched:
            self.selector.register(stdin, selectors.EVENT_WRITE, "input")
        elif not self._to_send and watched:
            self.selector.unregister(stdin)

    def until(self, met: Callable[[], Any], seconds: float = DEADLINE) -> None:
        """Serve the guest until something is true."""
        deadline = time.monotonic() + seconds
        while not met():
            left = deadline - time.monotonic()
            assert left > 0, f"waited {seconds} s; finished={self.finished} output={self.output[-3:]}"
            for key, _events in self.selector.select(left):
                if key.data == "input":
                    self._write()
                    continue
                data = os.read(key.fd, 1 << 20)
                if not data:
                    self.selector.unregister(key.fileobj)
                    continue
                self._buffers[key.data] += data
                self._take(key.data)
            if not self.selector.get_map():
                assert met(), "the guest closed its streams"

    def _take(self, stream: str) -> None:
        buffer = self._buffers[stream]
        if stream == "supervisor" and not self._greeted:
            if len(buffer) < len(MAGIC):
                return
            assert buffer.startswith(MAGIC), buffer
            buffer = buffer[len(MAGIC) :]
            self._greeted = True
        while len(buffer) >= 4:
            (length,) = struct.unpack(">I", buffer[:4])
            if len(buffer) < 4 + length:
                break
            kind, payload = chr(buffer[4]), buffer[5 : 4 + length]
            buffer = buffer[4 + length :]
            self._frame(stream, kind, payload)
        self._buffers[stream] = buffer

    def _frame(self, stream: str, kind: str, payload: bytes) -> None:
        assert kind in {"program": "ABCXF", "supervisor": "HOEDZ"}[stream], (stream, kind)
        if kind in "OE":
            self.output.append((kind, payload))
            return
        body = json.loads(payload)
        if kind == "H":
            self.hello = body
        elif kind == "Z":
            self.exited = body
        elif kind == "D":
            self.drained.append(body)
        elif kind == "A":
            self.awaiting += 1
        elif kind == "B":
            self.begun += 1
        elif kind == "F":
            assert self.finished is None
            self.finished = body
        elif kind == "X":
            self.cancelled.append(body["id"])
        else:
            self.calls.append(body)
            assert body["id"] == len(self.calls)
            try:
                value = self.answer(body)
            except Failure as failure:
                self.send(b"R", {"id": body["id"], "error": failure.body})
                return
            if isinstance(value, Held):
                self.held.append(body["id"])
            else:
                self.reply(body["id"], value)

    def _read_the_rest(self) -> None:
        """What the worker wrote before it ended is in its pipe, though `Exited` may have been read first."""
        assert self.process.stdout
        try:
            while data := os.read(self.process.stdout.fileno(), 1 << 20):
                self._buffers["program"] += data
        except BlockingIOError:
            pass  # a process that the program left behind holds the other end
        self._take("program")

    def end(self, seconds: float = DEADLINE) -> Run:
        """Serve until the supervisor says that the worker has ended and has ended itself."""
        try:
            self.until(lambda: self.exited is not None, seconds)
            self._read_the_rest()
            # As the real host does when it has everything.
            assert self.process.stdin
            self.process.stdin.close()
            assert self.process.wait(5) == 0
        finally:
            self.close()
        return self

    def close(self) -> None:
        """Hang up and make sure that nothing is left."""
        self.selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(5)
            raise

    def written(self, kinds: str) -> str:
        return b"".join(data for kind, data in self.output if kind in kinds).decode()

    @property
    def stdout(self) -> str:
        return self.written("O")

    @property
    def stderr(self) -> str:
        return self.written("E")

    @property
    def result(self) -> Any:
        assert self.finished is not None, (self.exited, self.stderr)
        assert self.finished["outcome"] == "ok", self.finished["error"]["traceback"]
        return self.finished["result"]

    @property
    def error(self) -> dict[str, Any]:
        assert self.finished is not None, (self.exited, self.stderr)
        assert self.finished["outcome"] == "error", self.finished
        found: dict[str, Any] = self.finished["error"]
        return found

    @property
    def notes(self) -> list[str]:
        assert self.finished is not None, (self.exited, self.stderr)
        found: list[str] = self.finished["notes"]
        return found


def run(code: str, answer: Answer | None = None, **options: Any) -> Run:
    """Run a program to its end."""
    return Run(code, answer, **options).end()
