"""A pool of worker processes, started when there is much to do and ended when there is not.

Spawned, never forked: the engine has threads. A worker ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

_IDLE: Final = 20.0  # seconds without work after which the processes are ended


class Processes:
    """At most `count` processes. Belongs to one event loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._last_used = 0.0
        self._is_broken = False

    def submit(self, call: Callable[[], T]) -> Future[T] | None:
        """Runs a picklable call in a process; None if processes do not work here (threads will do)."""
        if self._is_broken:
            return None
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, multiprocessing.get_context("spawn"), _begin, (os.getpid(),)
            )
            self._check_later(_IDLE)
        self._last_used = time.monotonic()
        try:
            return self._pool.submit(call)
        except BrokenProcessPool as error:
            log.warning("worker processes ended unexpectedly (%s); going on with threads", error)
            self._is_broken = True
            self.retire()
            return None

    def retire(self) -> None:
        """Ends the processes after what they are doing; the next work starts new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _check_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        if self._pool is None:
            return
        left = self._last_used + _IDLE - time.monotonic()
        if left > 0:
            self._check_later(left)
        else:
            self.retire()


def _begin(parent: int) -> None:
    """At the start of a process: Ctrl-C is its parent's business, and its parent's end its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)
