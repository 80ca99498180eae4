"""The parent of sandboxes, without walls: children are born, make calls, and go on as guests."""

from __future__ import annotations

import errno
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bundle import LOADER, boot_block

CLONE = 220 if platform.machine() == "aarch64" else 56
CLONE3 = 435
CLOSE_RANGE = 436
CLOSE = {"what": "close the rest", "number": CLOSE_RANGE, "arguments": [4, 0xFFFFFFFF, 0], "result": 0}
# Longer than anything here takes on a crowded machine; what hangs fails.
PATIENCE = 30.0


class Keeper:
    """The other end of a parent's socket."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)

        def place() -> None:
            os.dup2(theirs.fileno(), 3)

        self.parent = subprocess.Popen(
            [sys.executable, "-I", "-B", "-u", "-c", LOADER, "nursery"],
            stdin=subprocess.PIPE,
            close_fds=False,
            preexec_fn=place,
        )
        theirs.close()
        self.tell({"clone": CLONE, "clone3": CLONE3, "flags": 0, "calls": calls})
        assert self.parent.stdin is not None
        self.parent.stdin.write(boot_block())
        self.parent.stdin.close()

    def tell(self, message: Any, descriptors: tuple[int, ...] = ()) -> None:
        socket.send_fds(self.socket, [json.dumps(message).encode()], list(descriptors))

    def hear(self) -> tuple[dict[str, Any], list[int]]:
        message, descriptors, _flags, _from = socket.recv_fds(self.socket, 4096, 4)
        return json.loads(message), list(descriptors)

    def order(self, number: int, calls: list[dict[str, Any]]) -> tuple[int, int, int]:
        """A child: our ends of its input, of the supervisor's stream and of its complaint."""
        inside, given = os.pipe()
        supervisor, theirs = os.pipe()
        complaint, complain = os.pipe()
        program = os.open(os.devnull, os.O_WRONLY)
        handed = (inside, program, theirs, complain)
        self.tell({"id": number, "group": False, "calls": calls}, handed)
        for descriptor in handed:
            os.close(descriptor)
        return given, supervisor, complaint

    def end(self) -> None:
        self.socket.close()
        assert self.parent.wait(PATIENCE) == 0


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    kept = Keeper([CLOSE])
    ready, _descriptors = kept.hear()
    assert ready == {"ready": platform.python_version()}
    yield kept
    kept.end()


def everything(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


def test_children_are_guests_that_have_booted(keeper: Keeper) -> None:
    for number in (1, 2):
        given, supervisor, complaint = keeper.order(number, [])
        born, handles = keeper.hear()
        assert born["id"] == number and len(handles) == 1
        assert everything(complaint) == b"."
        os.close(given)  # the hang-up
        assert everything(supervisor).startswith(b"\x00MCPBR1\n")
        ended, _none = keeper.hear()
        assert ended == {"id": number, "status": 0}
        os.close(handles[0])


def test_a_call_that_gives_something_else_is_named_and_ends_the_child(keeper: Keeper) -> None:
    refused = {"what": "close nothing", "number": CLOSE_RANGE, "arguments": [9, 8, 0], "result": 0}
    given, supervisor, complaint = keeper.order(7, [refused])
    _born, handles = keeper.hear()
    assert everything(complaint) == f"close nothing\0{errno.EINVAL}".encode()
    ended, _none = keeper.hear()
    assert ended["id"] == 7 and os.WEXITSTATUS(ended["status"]) == 1
    assert everything(supervisor) == b""
    for descriptor in (given, *handles):
        os.close(descriptor)


def test_a_child_that_cannot_be_born_is_told(keeper: Keeper) -> None:
    # The kernel looks at a group only where the descriptor is one.
    inside = os.open(os.devnull, os.O_RDWR)
    keeper.tell({"id": 3, "group": True, "calls": [CLOSE]}, (inside,) * 5)
    born, handles = keeper.hear()
    # Then it is born elsewhere, and enters by the list: here there is none.
    assert born["id"] == 3 and len(handles) == 1
    ended, _none = keeper.hear()
    assert ended["id"] == 3
    for descriptor in (inside, *handles):
        os.close(descriptor)


def test_nonsense_ends_the_parent_and_not_the_keeper() -> None:
    kept = Keeper([{"what": "nothing"}])
    failed, _none = kept.hear()
    assert "failed" in failed
    kept.socket.close()
    assert kept.parent.wait(PATIENCE) == 1


def test_memory_is_passed_by_address() -> None:
    from mcp_bridge_guest.nursery import Call, Refused

    read, write = os.pipe()
    number = 64 if platform.machine() == "aarch64" else 1
    Call("write", number, [write, b"told".hex(), 4], 4).make()
    assert os.read(read, 9) == b"told"
    # `struct iovec` is an address and a length: the second text's address stands behind the first.
    vector = 66 if platform.machine() == "aarch64" else 20
    with pytest.raises(Refused) as refusal:
        Call("writev", vector, [write, ["", b"x".hex()], -1], 0).make()
    assert refusal.value.errno == errno.EINVAL
    os.close(read)
    os.close(write)
