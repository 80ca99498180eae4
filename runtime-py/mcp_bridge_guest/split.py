"""One interpreter becomes two: PID 1, which watches, and the worker, which runs the program.

As early as can be, for both have much to do: while the worker imports asyncio, PID 1 compiles for it what it runs on
with.
"""

from __future__ import annotations

import marshal
import os

from mcp_bridge_guest.counters import Counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import NoReturn

PID_1_ALONE = ("mcp_bridge_guest", __name__, "mcp_bridge_guest.counters", "mcp_bridge_guest.supervisor")


def main(modules: dict[str, str | CodeType], compiled: Callable[[str], CodeType]) -> NoReturn:
    """Fork. Imports look for the guest's modules in `modules`, which holds texts; `compiled` makes code of one."""
    counters = Counters()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    gate_read, gate_write = os.pipe()
    bell_read, bell_write = os.pipe()
    child = os.fork()
    if child == 0:
        counters.close()
        for descriptor in (out_read, err_read, gate_write, bell_read):
            os.close(descriptor)
        from mcp_bridge_guest import worker

        worker.main(out_write, err_write, gate_read, bell_write, lambda parcel: modules.update(marshal.loads(parcel)))
    for descriptor in (out_write, err_write, gate_read, bell_write):
        os.close(descriptor)
    from mcp_bridge_guest import supervisor

    def parcel() -> bytes:
        return marshal.dumps({name: compiled(name) for name in modules if name not in PID_1_ALONE})

    supervisor.main(child, {out_read: b"O", err_read: b"E"}, bell_read, counters, gate_write, parcel)
