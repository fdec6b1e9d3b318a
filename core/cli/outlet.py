"""Printing that holds up nobody: a terminal may be stopped (Ctrl-S), a pipe's reader may take its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Final

_PATIENCE: Final = 1.0  # seconds for what is still to be printed at the end


class Outlet:
    """Runs what prints in one thread, in order."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outlet")
        self._last: Future[None] | None = None
        self._failed: Callable[[OSError], None] = lambda error: None

    @property
    def is_idle(self) -> bool:
        """Whether everything is printed. Pictures that will be drawn again are left out until it is."""
        return self._last is None or self._last.done()

    def on_failure(self, failed: Callable[[OSError], None]) -> None:
        """Has `failed` called in the running event loop when something could not be printed."""
        loop = asyncio.get_running_loop()

        def tell(error: OSError) -> None:
            with suppress(RuntimeError):  # the loop has ended; so has what printed
                loop.call_soon_threadsafe(failed, error)

        self._failed = tell

    def put(self, call: Callable[[], None]) -> Future[None]:
        self._last = self._thread.submit(call)
        self._last.add_done_callback(self._done)
        return self._last

    async def print(self, call: Callable[[], None]) -> None:
        """Prints and waits until it is printed, however long that takes. Raises OSError."""
        await asyncio.wrap_future(self.put(call))

    def _done(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, OSError):
            self._failed(error)

    def close(self) -> bool:
        """Whether everything was printed; what the thread is stuck in is left to it."""
        if self._last is not None:
            wait([self._last], _PATIENCE)
        is_done = self.is_idle
        self._thread.shutdown(wait=False, cancel_futures=True)
        return is_done


class LogOutlet(logging.Handler):
    """Hands log records to the handlers there were, by way of an outlet."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet
        self._handlers = logging.getLogger().handlers[:]

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(RuntimeError):  # closed: nothing is printed any more
            self._outlet.put(lambda: self._print(record))

    def _print(self, record: logging.LogRecord) -> None:
        for handler in self._handlers:
            handler.handle(record)
