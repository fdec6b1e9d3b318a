"""Other people's code beside the dashboard: in a thread, within a time, whatever it does there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")
_SPARING: Final = 0.0005  # seconds that a thread may have the interpreter at a time; 0.005 is usual


class Stuck(Exception):
    """It did not end in time, or what was begun before has not ended yet."""


class Beside:
    """Does one thing at a time in a thread. One that hangs is left alone, and nothing else is begun then.

    The thread is a daemon: the program does not wait for it.
    """

    def __init__(self) -> None:
        self._begun: Future[Any] | None = None

    async def do(self, work: Callable[[], T], within: float | None = None) -> T:
        """What `work` returns or raises. Raises Stuck after so many seconds; None waits until cancelled."""
        if self._begun is not None and not self._begun.done():
            raise Stuck("what it began before has not ended yet")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # a thread cannot be cancelled
        self._begun = future
        Thread(target=_settle, args=(future, work), daemon=True).start()
        try:
            async with asyncio.timeout(within) as limit:
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if not limit.expired():
                raise  # of its own
            if future.done():  # in the same moment
                return future.result()
            sys.setswitchinterval(_SPARING)  # if it spins, it leaves the dashboard its share
            raise Stuck(f"it took more than {within:g} s") from None


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        result = work()
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:  # a plugin that exits ends itself, and no more
        ended = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
        future.set_exception(ended)
    else:
        future.set_result(result)
