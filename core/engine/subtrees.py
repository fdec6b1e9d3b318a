"""Dirty subtrees: what was lost or not heard in detail is scanned soon, beside a full scan if one runs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio

from treeledger.dirty import collapse
from treeledger.engine.burst import Burst, rest_after
from treeledger.engine.renames import follow_rename
from treeledger.engine.session import Session
from treeledger.model import DirtyPath, Observation
from treeledger.protocols import Watch

UNWATCHED_EVERY: Final = 60.0  # seconds between scans of what takes no watch
_UNWATCHED_REST: Final = 10  # times as long as such a scan took
_MOST: Final = 1000  # subtrees in one scan
_MOST_WAITING: Final = 10_000
_MOST_RENAMED: Final = 500  # directories; a scan finds what moved with more of them, all together
_OVERFLOWED: Final = "events were lost: the system's queue of them overflowed"

Marks = dict[str, DirtyPath | None]  # by prefix; None where no mark is in the store


class Subtrees:
    """What has to be scanned of one repository.

    Subtrees are scanned here, one burst of them after another. When all of the tree is dirty,
    `whole_is_dirty` says so to whoever runs full scans, and `on_whole` is called.
    """

    def __init__(
        self, session: Session, watch: Watch, burst: Burst, look_again: Callable[[Iterable[str]], None]
    ) -> None:
        self.on_whole: Callable[[], None] = lambda: None
        self._session = session
        self._context = session.context
        self._watch = watch
        self._burst = burst
        self._look_again = look_again
        self._wake = anyio.Event()
        self._waiting: Marks = {}
        self._taken: Marks = {}  # being scanned
        self._renamed: dict[str, str] = {}  # of those that wait: the paths that they had, by the new ones
        self._whole: Marks = {}  # wait for a scan of the whole tree
        self._covered: Marks = {}  # being scanned with the whole tree
        self._noted = self._recovered = 0  # overflows that are marked in the store; that were made good

    @property
    def whole_is_dirty(self) -> bool:
        return bool(self._whole)

    @property
    def lost(self) -> str | None:
        """In words, what was lost and is not found again yet; None if nothing was."""
        if self._watch.health().overflows == self._recovered:
            return None
        return f"{_OVERFLOWED}; the whole tree is scanned again"

    @property
    def is_scanning(self) -> bool:
        return bool(self._taken or self._covered)

    def is_busy(self) -> bool:
        """Whether a scan that is due may still find what seems lost."""
        return bool(self._waiting or self._taken or self._whole or self._covered)

    def prefixes(self) -> set[str]:
        """All that is dirty now, with what is being scanned."""
        return {*self._waiting, *self._taken, *self._whole, *self._covered}

    def mark(self, prefixes: Iterable[str]) -> None:
        """Has subtrees scanned soon."""
        for prefix in prefixes:
            self._waiting.setdefault(prefix, None)
            self._wake.set()
        if len(self._waiting) > _MOST_WAITING:
            marked = {prefix: mark for prefix, mark in self._waiting.items() if mark is not None}
            self._waiting = {**dict.fromkeys(collapse(self._waiting, _MOST)), **marked}

    def hear(self, observations: Iterable[Observation]) -> None:
        """Has subtrees scanned soon that a source told of; of those renamed, records go along before."""
        for one in observations:
            if one.source is not None and len(self._renamed) < _MOST_RENAMED:
                self._renamed[one.path] = one.source
            self.mark((one.path,))

    async def load_marks(self) -> None:
        """Takes up what was marked as dirty in the store: by another process, or before a stop."""
        in_hand = {*self._taken.values(), *self._whole.values(), *self._covered.values()}
        for mark in await self._context.store.dirty(self._context.repository.id):
            if mark not in in_hand:
                self._waiting[mark.prefix] = mark
                self._wake.set()

    async def serve(self) -> None:
        """Scans dirty subtrees as they come."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            started = time.monotonic()
            self._taken, self._waiting = self._waiting, {}
            renamed, self._renamed = self._renamed, {}
            prefixes = collapse(self._taken, _MOST)
            if "" in prefixes:
                await self._leave_to_full_scan()
            elif prefixes:
                await self._follow(renamed)
                await self._scan(prefixes)
                await self._clear(self._taken)
            self._taken = {}
            await rest_after(started)

    async def serve_unwatched(self) -> None:
        """Scans what takes no watch, again and again, and rests ten times as long as that took."""
        seconds = 0.0
        while True:
            await anyio.sleep(max(UNWATCHED_EVERY, _UNWATCHED_REST * seconds))
            started = time.monotonic()
            unwatched = self._watch.health().unwatched
            if "" in unwatched:
                self.mark(unwatched)
            elif unwatched:
                await self._scan(unwatched)
            seconds = time.monotonic() - started

    @asynccontextmanager
    async def scanning_whole(self) -> AsyncIterator[None]:
        """Around a scan of the whole tree: what was marked before it began is clean after it."""
        await self.load_marks()
        if "" in self._waiting:
            self._whole[""] = self._waiting.pop("")
        self._covered, self._whole = self._whole, {}
        overflows = self._watch.health().overflows
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self._whole.update(self._covered)  # dirty as before
            self._covered = {}
            raise
        await self._clear(self._covered)
        self._covered = {}
        self._recovered = overflows
        self._watch.scanned(time.monotonic() - started)

    async def _leave_to_full_scan(self) -> None:
        context = self._context
        overflows = self._watch.health().overflows
        if overflows > self._noted:
            await context.store.mark_dirty(context.repository.id, [("", _OVERFLOWED)])
            self._noted = overflows
            await self.load_marks()
        self._whole.update(self._taken)
        if "" in self._waiting:
            self._whole[""] = self._waiting.pop("")
        self.on_whole()

    async def _follow(self, renamed: Mapping[str, str]) -> None:
        for target, source in renamed.items():
            with self._burst.use() as run:
                await follow_rename(self._context, source, target, run)

    async def _scan(self, prefixes: Iterable[str]) -> None:
        with self._burst.use() as run:
            scanned = await self._session.scanner().scan(tuple(prefixes), run)
        self._look_again(scanned.overtaken)

    async def _clear(self, marks: Marks) -> None:
        known = [mark for mark in marks.values() if mark is not None]
        if known:
            await self._context.store.clear_dirty(self._context.repository.id, known)
