"""From what a source hears to what is inspected: settling, and the scans of dirty subtrees."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

import anyio

from treeledger.dirty import collapse
from treeledger.engine.burst import Burst
from treeledger.engine.session import Session
from treeledger.ignoring import is_ignore_file
from treeledger.model import DirtyPath, Observation
from treeledger.names import parent
from treeledger.protocols import Watch, iterate_batches
from treeledger.settle import Settle

_BURST: Final = 2000  # paths in one inspection
_MOST_DIRTY: Final = 1000
_LONGEST_REST: Final = 0.2  # seconds


class SourceDied(OSError):
    """The event source ended; what it may have missed is scanned when it is armed again."""


class Hearing:
    """Listens to one armed watch; what it hears waits while the store is away, collapsing as it grows."""

    def __init__(self, session: Session, watch: Watch, burst: Burst, debounce: float) -> None:
        self.settle = Settle(debounce)
        self._session = session
        self._context = session.context
        self._watch = watch
        self._burst = burst
        self._wake = anyio.Event()
        self._looking = False
        self._scanning = False
        self._dirty: dict[str, DirtyPath | None] = {}
        self._dirty_wake = anyio.Event()

    async def listen(self) -> None:
        """Takes what the source reports. Raises SourceDied or RootOffline, all being marked as dirty."""
        reason = "the event source ended"
        try:
            async for batch in self._watch.observations():
                self._take(batch)
        except OSError as error:
            reason = str(error)
        context = self._context
        await context.store.mark_dirty(context.repository.id, [("", reason)])
        await context.root.check()  # the likely reason
        raise SourceDied(reason)

    def _take(self, batch: Sequence[Observation]) -> None:
        own = self._context.spec.own
        now = time.monotonic()
        heard = [o for o in batch if not o.path.startswith(own)] if own else batch
        for observation in heard:
            if is_ignore_file(observation.path):
                self._reload_rules(observation.path, now)
        self.settle.observe(heard, now)
        self._wake.set()

    def _reload_rules(self, path: str, now: float) -> None:
        """An ignore file changed: new rules for every worker, and a look at what they cover."""
        spec = self._context.spec
        self._context.spec = spec._replace(key=f"{spec.key}+")
        self.settle.observe([Observation(parent(path), subtree=True)], now)

    def is_busy(self) -> bool:
        """Whether anything that was heard still has to be looked at."""
        return self._looking or self._scanning or len(self.settle) > 0 or bool(self._dirty)

    @property
    def is_interrupted(self) -> bool:
        """Whether it was stopped in the middle of a look or a scan, so that nobody knows what is left."""
        return self._looking or self._scanning

    def look_again(self, paths: Iterable[str]) -> None:
        """Has paths looked at once more, a little later."""
        self.settle.observe([Observation(path) for path in paths], time.monotonic())
        self._wake.set()

    def mark(self, prefixes: Iterable[str]) -> None:
        """Has subtrees scanned soon."""
        for prefix in prefixes:
            self._dirty.setdefault(prefix, None)
            self._dirty_wake.set()

    async def load_marks(self) -> None:
        """Takes up what was marked as dirty in the store: by another process, or before a stop."""
        for mark in await self._context.store.dirty(self._context.repository.id):
            self._dirty[mark.prefix] = mark
            self._dirty_wake.set()

    async def serve(self) -> None:
        """Inspects what has settled, as it becomes due."""
        while True:
            await self._wait_for_due()
            started = time.monotonic()
            due = self.settle.due(started)
            self._looking = True
            self.mark(observation.path for observation in due if observation.subtree)
            files = [observation for observation in due if not observation.subtree]
            for part in iterate_batches(files, _BURST):
                with self._burst.use() as run:
                    hints = {observation.path: observation.written for observation in part}
                    self.look_again(await self._session.inspector.inspect(hints, run))
            self._looking = False
            await self._rest(started)

    async def _rest(self, started: float) -> None:
        """As long as the work took: in a burst more comes together, and who writes gets half of the disk.

        Not while enough is waiting for a full batch anyway.
        """
        if len(self.settle) < _BURST:
            await anyio.sleep(min(time.monotonic() - started, _LONGEST_REST))

    async def _wait_for_due(self) -> None:
        while (due := self.settle.next_due()) is None or due > time.monotonic():
            with anyio.move_on_after(None if due is None else due - time.monotonic()):
                await self._wake.wait()
                self._wake = anyio.Event()

    async def serve_dirty(self) -> None:
        """Scans dirty subtrees as they come, beside a full scan if one is running."""
        while True:
            await self._dirty_wake.wait()
            self._dirty_wake = anyio.Event()
            taken, self._dirty = self._dirty, {}
            if taken:
                self._scanning = True
                started = time.monotonic()
                await self._scan(taken)
                self._scanning = False
                await self._rest(started)

    async def _scan(self, taken: dict[str, DirtyPath | None]) -> None:
        started = time.monotonic()
        context = self._context
        prefixes = collapse(taken, _MOST_DIRTY)
        with self._burst.use() as run:
            scanned = await self._session.scanner().scan(prefixes, run)
        marks = [mark for mark in taken.values() if mark is not None]
        if marks:
            await context.store.clear_dirty(context.repository.id, marks)
        self.look_again(scanned.overtaken)
        if "" in prefixes:
            self._watch.scanned(time.monotonic() - started)

    async def leave(self) -> None:
        """Marks as dirty what has not settled yet."""
        waiting = self.settle.due(float("inf"))
        heard = {o.path if o.subtree else parent(o.path) for o in waiting}
        prefixes = collapse(heard | self._dirty.keys(), _MOST_DIRTY)
        if prefixes:
            marks = [(prefix, "stopped before it was looked at") for prefix in prefixes]
            await self._context.store.mark_dirty(self._context.repository.id, marks)
