"""`asyncio.run(main())` in a program: the program itself runs in an event loop, which asyncio takes for a mistake. Here
the outer loop is put aside while the inner one runs, in the same thread."""

from __future__ import annotations

import asyncio
import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Aside:
    """While this context is open, the thread's running loop and its current task are as if they were not there."""

    def __enter__(self) -> None:
        self.loop = asyncio._get_running_loop()
        self.task = None
        if self.loop is not None:
            self.task = asyncio.current_task(self.loop)
            # In this order: from Python 3.14 a task can only be left while its loop is the running one.
            if self.task is not None:
                asyncio.tasks._leave_task(self.loop, self.task)
            asyncio._set_running_loop(None)

    def __exit__(self, *exception: object) -> None:
        asyncio._set_running_loop(self.loop)
        if self.loop is not None:
            asyncio.set_event_loop(self.loop)
            if self.task is not None:
                asyncio.tasks._enter_task(self.loop, self.task)


def aside(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with the outer loop put aside."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if asyncio._get_running_loop() is None:
            return function(*args, **kwargs)
        with Aside():
            return function(*args, **kwargs)

    return wrapper


def install() -> None:
    """Let asyncio's ways to run a loop work inside a running one."""
    base: Any = asyncio.BaseEventLoop
    run: Any = aside(asyncio.run)
    until_complete = aside(base.run_until_complete)

    @functools.wraps(base.run_until_complete)
    def run_until_complete(self: Any, future: Any) -> Any:
        if self is asyncio._get_running_loop() and asyncio.iscoroutine(future):
            return run(future)  # the loop itself is busy running us; a coroutine does as well in another
        return until_complete(self, future)

    base.run_until_complete = run_until_complete
    base.run_forever = aside(base.run_forever)
    asyncio.run = asyncio.runners.run = run
    runner: Any = getattr(asyncio, "Runner", None)
    if runner is not None:
        runner.run = aside(runner.run)
