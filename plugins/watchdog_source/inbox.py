"""The way of observations from a source's thread into the event loop: merged, bounded, never blocking."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from treeledger.dirty import collapse
from treeledger.model import Observation
from treeledger.names import parent

LIMIT: Final = 50_000
_COLLAPSED: Final = 1_000
_NONE: Final[Mapping[str, str]] = {}


# What is known of a path that an event named; hints about one path are OR-ed.
AT_ONCE: Final = 1
WRITTEN: Final = 2
SUBTREE: Final = 4
EVERYTHING: Final = AT_ONCE | WRITTEN | SUBTREE
MOVED: Final = AT_ONCE | SUBTREE  # a directory left here, or came here

_FLAGS: Final = tuple(
    (bool(hint & SUBTREE), bool(hint & AT_ONCE), bool(hint & WRITTEN)) for hint in range(EVERYTHING + 1)
)


class Inbox:
    """Hints by path, put by one thread and taken by one task.

    What waits is merged by path. Beyond `limit` paths it collapses into at most a thousand
    subtrees that cover all of them, so that nothing is lost and memory stays flat.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = LIMIT) -> None:
        self._loop = loop
        self._limit = limit
        self._lock = threading.Lock()
        self._ready = asyncio.Event()
        self._waiting: dict[str, int] = {}
        self._sources: dict[str, str] = {}  # of renamed directories that wait: their former paths
        self._announced = False
        self._over = False
        self._error: Exception | None = None

    def put(self, hints: Mapping[str, int], sources: Mapping[str, str] = _NONE) -> None:
        """Adds hints, and by their new path where renamed directories came from.

        From any thread; never waits for the reader of the inbox.
        """
        with self._lock:
            waiting = self._waiting
            self._sources.update(sources)
            if waiting:
                for path, hint in hints.items():
                    waiting[path] = waiting.get(path, 0) | hint
            else:
                waiting.update(hints)
            if len(waiting) > self._limit:
                self._waiting = dict.fromkeys(_covering(waiting.items()), EVERYTHING)
                self._sources = {}
        self._announce()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will be put. The first call counts: with an error the stream raises it, at its end."""
        with self._lock:
            if not self._over:
                self._over, self._error = True, error
        self._announce()

    def check(self) -> None:
        """Raises what the stream would raise at its end."""
        if self._error is not None:
            raise self._error

    async def batches(self) -> AsyncIterator[Sequence[Observation]]:
        """Everything that waits, as often as something does, until the end. Raises the source's error."""
        while True:
            await self._ready.wait()
            with self._lock:
                hints, self._waiting = self._waiting, {}
                sources, self._sources = self._sources, {}
                over = self._over
                self._announced = over
                if not over:
                    self._ready.clear()
            if hints:
                yield [Observation(path, *_FLAGS[hint], sources.get(path)) for path, hint in hints.items()]
            if over:
                self.check()
                return

    def _announce(self) -> None:
        with self._lock:
            announced, self._announced = self._announced, True
        if not announced:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._ready.set)


def _covering(hints: Iterable[tuple[str, int]]) -> list[str]:
    return collapse((path if hint & SUBTREE else parent(path) for path, hint in hints), _COLLAPSED)
