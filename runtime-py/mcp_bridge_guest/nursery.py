"""A parent of sandboxes: a Python that has imported everything once and is forked for each run.

It never sees a program, a value or a name of any run: what it is told is a list of system calls, the same for every
child, and descriptors that it hands on and closes. Each child is born in namespaces of its own, makes those calls,
which take from it all that its parent may do and it may not, and only then is PID 1 of a sandbox.

No policy is here. The calls are data, computed by the host; whatever does not give the result that the data wants ends
the child, which says which call it was. The words between keeper and parent, JSON in packets on descriptor 3:

    keeper   {"clone": n, "clone3": n, "flags": n, "calls": [call, ...]}                        once
    parent   {"ready": "3.14.0"} or {"failed": "why"}                                           once
    keeper   {"id": n, "group": bool, "calls": [call, ...]}   with descriptors, see `Order`     for each child
    parent   {"id": n, "pid": n}                              with a descriptor of the process
             {"id": n, "errno": n}                            or it could not be born
             {"id": n, "status": n}                           as waitpid gives it
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import select
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, NoReturn

KEEPER = 3
# A packet: the filter of system calls makes some 10 kB of it.
LARGEST = 256 * 1024
# Three pipes, the complaint, a group with its list, and a list for each hierarchy of version 1.
MOST_DESCRIPTORS = 32
CLONE_PIDFD = 0x1000
CLONE_INTO_CGROUP = 0x200000000
SIGCHLD = 17
# In the place of a complaint: the walls stand.
STANDS = b"."
# What programs import more often than not, besides what asyncio does. Nothing that keeps a state which must not be
# shared: `random` seeds itself anew in a child.
USUAL = ("collections", "dataclasses", "datetime", "functools", "itertools", "json", "math", "random", "re", "typing")

# With the interpreter's lock held, so that nothing of Python runs between a fork and what must follow it.
syscall = ctypes.PyDLL(None, use_errno=True).syscall
syscall.restype = ctypes.c_long


class Refused(Exception):
    """A call did not give what it must give."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(what, number)
        self.what, self.errno = what, number


class Call:
    """One system call as data: its name for errors, its number, its arguments and the one result that is right.

    An argument is a number; a text, the bytes (in base 16) whose address is passed; or two texts: the address of the
    first, which ends in the address of the second.
    """

    def __init__(self, what: str, number: int, arguments: list[Any], result: int) -> None:
        self.what, self.result = what, result
        self._kept: list[Any] = []
        self._arguments = [ctypes.c_long(number), *map(self._argument, arguments)]

    def _argument(self, given: Any) -> Any:
        if isinstance(given, int):
            return ctypes.c_long(given)
        first, *second = [given] if isinstance(given, str) else given
        memory = bytes.fromhex(first)
        for other in second:
            memory += struct.pack("P", self._address(bytes.fromhex(other)))
        return ctypes.c_void_p(self._address(memory))

    def _address(self, memory: bytes) -> int:
        buffer = ctypes.create_string_buffer(memory, len(memory))
        self._kept.append(buffer)
        return ctypes.addressof(buffer)

    def make(self) -> None:
        """Make the call."""
        if syscall(*self._arguments) != self.result:
            raise Refused(self.what, ctypes.get_errno())


class Order:
    """One child that the keeper wants."""

    def __init__(self, message: dict[str, Any], descriptors: list[int]) -> None:
        self.number: int = message["id"]
        self.calls = [Call(**call) for call in message["calls"]]
        self.pipes, self.complaint, self.lists = descriptors[:3], descriptors[3], descriptors[4:]
        # A group of version 2 to be born in, and its list of processes for where that is not allowed.
        self.group = self.lists.pop(0) if message["group"] else None


class Parent:
    """The loop of the parent. `child` is what a child goes on with, once its walls stand."""

    def __init__(self, keeper: socket.socket, child: Callable[[], object]) -> None:
        self.keeper = keeper
        self.child = child
        message = json.loads(keeper.recv(LARGEST))
        self.clone, self.clone3, self.flags = message["clone"], message["clone3"], message["flags"]
        self.calls = [Call(**call) for call in message["calls"]]
        # By the descriptor that tells a child's end: the order's number, the process.
        self.children: dict[int, tuple[int, int]] = {}
        self.poller = select.poll()

    def serve(self) -> NoReturn:
        """Fork when the keeper wants it, reap, and tell; end when the keeper has gone."""
        gc.collect()
        # What stands now is shared with every child: no collection may touch, and thereby copy, it.
        gc.freeze()
        self.poller.register(self.keeper, select.POLLIN)
        self.say({"ready": "{}.{}.{}".format(*sys.version_info[:3])})
        while True:
            for descriptor, _events in self.poller.poll():
                if descriptor in self.children:
                    self.reap(descriptor)
                else:
                    self.listen()

    def listen(self) -> None:
        """Take one order."""
        message, descriptors, _flags, _from = socket.recv_fds(self.keeper, LARGEST, MOST_DESCRIPTORS)
        if not message:
            os._exit(0)
        try:
            order = json.loads(message)
            if len(descriptors) < 4:
                self.say({"id": order["id"], "errno": errno.EMFILE})
            else:
                self.bear(Order(order, descriptors))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def bear(self, order: Order) -> None:
        """Fork a child, and tell the keeper who it is."""
        try:
            process, handle = self.fork(order)
        except OSError as error:
            self.say({"id": order.number, "errno": error.errno})
            return
        self.children[handle] = order.number, process
        self.poller.register(handle, select.POLLIN)
        socket.send_fds(self.keeper, [json.dumps({"id": order.number, "pid": process}).encode()], [handle])

    def fork(self, order: Order) -> tuple[int, int]:
        """Fork into new namespaces: the child's number and a descriptor of it. The child does not return."""
        handle = ctypes.c_int(-1)
        flags = self.flags | CLONE_PIDFD
        ctypes.pythonapi.PyOS_BeforeFork()
        process = -1
        if order.group is not None:
            # Being born in a group costs nothing; moving into one holds up every fork of the machine.
            address = ctypes.addressof(handle)
            born = struct.pack("11Q", flags | CLONE_INTO_CGROUP, address, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, order.group)
            memory = ctypes.create_string_buffer(born, len(born))
            process = syscall(ctypes.c_long(self.clone3), memory, ctypes.c_long(len(born)))
            if process >= 0:
                del order.lists[0]
        if process < 0:
            zero = ctypes.c_long(0)
            process = syscall(
                ctypes.c_long(self.clone), ctypes.c_long(flags | SIGCHLD), zero, ctypes.byref(handle), zero, zero
            )
        if process == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
            self.become(order)
        why = ctypes.get_errno()
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        if process < 0:
            raise OSError(why, os.strerror(why))
        return process, handle.value

    def become(self, order: Order) -> NoReturn:
        """In the child: the pipes, the groups, the calls; then it goes on as PID 1 of its sandbox."""
        complaint = order.complaint
        try:
            try:
                self.keeper.detach()
                for number, pipe in enumerate(order.pipes):
                    os.dup2(pipe, number)
                for entry in order.lists:
                    os.write(entry, b"0")
                # In the place of the keeper's socket; the first call closes everything above.
                complaint = os.dup2(order.complaint, KEEPER, inheritable=False)
            except OSError as error:
                raise Refused("take the pipes and enter the groups", error.errno or 0) from None
            for call in (*order.calls, *self.calls):
                call.make()
        except Refused as refusal:
            os.write(complaint, f"{refusal.what}\0{refusal.errno}".encode())
            os._exit(1)
        os.write(complaint, STANDS)
        os.close(complaint)
        try:
            self.child()
        finally:
            os._exit(1)

    def reap(self, handle: int) -> None:
        """Tell the keeper how a child has ended."""
        number, process = self.children.pop(handle)
        self.poller.unregister(handle)
        os.close(handle)
        _process, status = os.waitpid(process, 0)
        self.say({"id": number, "status": status})

    def say(self, message: dict[str, Any]) -> None:
        """One packet to the keeper."""
        try:
            self.keeper.send(json.dumps(message).encode())
        except OSError:
            os._exit(0)


def main(modules: dict[str, str | CodeType], compiled: Callable[[str], CodeType]) -> NoReturn:
    """Import all that supervisor, worker and most programs import, and be a parent of sandboxes."""
    keeper = socket.socket(fileno=KEEPER)
    try:
        import_all(modules)
        from mcp_bridge_guest import split

        # Nothing is left to be compiled.
        parent = Parent(keeper, lambda: split.main({}, compiled))
    except Exception as error:
        keeper.send(json.dumps({"failed": repr(error)[:1000]}).encode())
        os._exit(1)
    parent.serve()


def import_all(modules: dict[str, str | CodeType]) -> None:
    """Import the guest's own modules and the usual ones."""
    from importlib import import_module

    from mcp_bridge_guest import worker

    worker.import_asyncio()
    for name in (*modules, *USUAL):
        import_module(name)
