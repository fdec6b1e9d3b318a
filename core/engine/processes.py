"""A pool of worker processes, started when there is much to do and ended when there is not.

Spawned, never forked: the engine has threads. A worker ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

_IDLE: Final = 20.0  # seconds without work after which the processes are ended
_REST: Final = 600.0  # seconds without processes after one was killed
_MADE_AT_ONCE: Final = 200_000  # objects of one batch
_FLUSH: Final = "_flush_std_streams"
_SAFE_PATH: Final = "PYTHONSAFEPATH"
_SIGNALS: Final = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


class _Worker(SpawnProcess):
    """Ignores SIGTERM, which many send to all processes of a program; so it is killed where it has to end.

    That is once another one was killed, maybe with the lock that all need to answer: the pool would wait for
    it without end, on a whole processor.
    """

    def terminate(self) -> None:
        self.kill()


class _Workers(SpawnContext):
    Process = _Worker


class Processes:
    """At most `count` processes. Belongs to one event loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._last_used = 0.0
        self._rests_until = 0.0

    def submit(self, call: Callable[[], T]) -> Future[T] | None:
        """Runs a picklable call in a process; None while processes do not work here (threads will do)."""
        if time.monotonic() < self._rests_until:
            return None
        self._last_used = time.monotonic()
        try:
            with _importing_nothing_from_here():
                pool = self._started()
                with _masked(), _unflushed():
                    return pool.submit(call)
        except BrokenProcessPool as error:
            self.give_up(error)
            return None

    def begin(self) -> None:
        """Starts all processes for what is about to come; they take a moment."""
        for _ in range(self._count):
            self.submit(_nothing)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            resource_tracker.ensure_running()  # which would end the mask of `submit`
            self._pool = ProcessPoolExecutor(self._count, _Workers(), _begin, (os.getpid(),))
            self._check_later(_IDLE)
        return self._pool

    def give_up(self, error: BrokenProcessPool) -> None:
        """A process was killed, and with it all that was submitted: threads will do for some time."""
        if self._pool is not None:
            log.warning("a worker process ended unexpectedly; going on with threads")
            log.debug("how it ended: %s", error)
        self.leave()

    def leave(self) -> None:
        """Gives up what hangs in a process: threads, which are watched over, will do for some time."""
        self._rests_until = time.monotonic() + _REST
        self.retire()

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


@contextmanager
def _importing_nothing_from_here() -> Iterator[None]:
    """Processes started meanwhile import nothing from the working folder, which may be anybody's tree.

    They are started as `python -c`, which else puts it before everything (`PYTHONSAFEPATH` in "Command
    line and environment" of the Python manual).
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


@contextmanager
def _masked() -> Iterator[None]:
    """A process that is started meanwhile is not interrupted before it has begun (it inherits the mask)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _unflushed() -> Iterator[None]:
    """Processes started meanwhile do not wait for what is printed.

    `multiprocessing` flushes stdout and stderr first, since a forked process would inherit what they hold; a
    spawned one does not. Where nobody reads what another thread prints, the event loop would wait for ever.
    """
    names = vars(multiprocessing.util)
    before = names[_FLUSH]
    names[_FLUSH] = _nothing
    try:
        yield
    finally:
        names[_FLUSH] = before


def _nothing() -> None:
    """Does nothing, as a process that has only to begin."""


def _begin(parent: int) -> None:
    """At the start of a process: signals to all are its parent's business, and its parent's end its own.

    What is made for a batch goes with it and holds no cycles, so the collector, which else looks through
    all of it again and again (a tenth of a walk's time), has little to find.
    """
    gc.freeze()
    gc.set_threshold(_MADE_AT_ONCE)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)
