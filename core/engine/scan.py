"""Scanning: the walk of a tree merged with the ledger's records; what differs is inspected.

Every page of records is a short transaction of its own, and what was nominated is looked at anew, so
a scan may run beside live writes and never overwrites one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio
from anyio.abc import TaskGroup

from treeledger.dirty import outermost
from treeledger.engine.context import Context
from treeledger.engine.groups import ungrouped
from treeledger.engine.inspector import READY_WITHIN, Inspector, Reread
from treeledger.engine.run import Run
from treeledger.merge import Merge, Nominations, position
from treeledger.model import (
    File,
    ProblemCode,
    RecordKey,
    ScanScope,
    Unknown,
)
from treeledger.names import range_below, successor, within
from treeledger.walk import WalkBatch

_PAGE: Final = 5000  # records
_BATCH: Final = 1000  # paths in one inspection
_SWAPS: Final = 20_000  # of those that may have changed places, which are inspected together
_IN_FLIGHT: Final = 16  # inspections, each READY_WITHIN at most: a scan commits at walking speed
_MOST_NOTES: Final = 10_000

Told = Callable[[Run], None]


class KeyReader:
    """The records of some prefixes, one after another, each in path order, in keyset pages."""

    def __init__(self, context: Context, prefixes: Sequence[str]) -> None:
        self._context = context
        self._ranges = _ranges(prefixes)
        self._range = next(self._ranges, None)
        self._page: list[RecordKey] = []
        self._next = 0

    async def until(self, bound: str | None) -> list[RecordKey]:
        """The next records with a path of at most `bound`; all that are left for None."""
        taken: list[RecordKey] = []
        while self._next < len(self._page) or await self._load():
            page, start = self._page, self._next
            if bound is None or page[-1].path <= bound:
                taken += page[start:]
                self._next = len(page)
                continue
            while page[self._next].path <= bound:
                self._next += 1
            taken += page[start : self._next]
            break
        return taken

    async def _load(self) -> bool:
        """Reads the next page that holds anything."""
        context = self._context
        while self._range is not None:
            low, high = self._range
            self._page, self._next = await context.store.keys(context.repository.id, low, high, _PAGE), 0
            if len(self._page) < _PAGE:
                self._range = next(self._ranges, None)
            else:
                self._range = successor(self._page[-1].path), high
            if self._page:
                return True
        return False


def _ranges(prefixes: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """What is at each prefix itself, and what is below it."""
    for prefix in prefixes:
        if prefix:
            yield prefix, successor(prefix)
        yield range_below(prefix)


class Scanned(NamedTuple):
    """What is left after a scan: paths that other writers kept overtaking; whether the root was empty."""

    overtaken: tuple[str, ...]
    root_is_empty: bool


@dataclass(slots=True)
class _Found:
    """What a scan still has to look at, and what it could not see."""

    changed: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: int = 0
    colliding: set[str] = field(default_factory=set)

    def take(self, nominations: Nominations, run: Run) -> None:
        run.counts.files_unchanged += nominations.unchanged
        self.changed += nominations.changed
        self.changed += nominations.ignored
        self.replaced += nominations.replaced
        self.vanished += nominations.vanished


class Scanner:
    """Scans prefixes of one repository. `told` is called after each batch with the run so far."""

    def __init__(self, context: Context, inspector: Inspector, told: Told | None = None) -> None:
        self._context = context
        self._inspector = inspector
        self._told = told or (lambda run: None)

    async def scan(self, prefixes: Sequence[str], run: Run, *, rehash: bool = False) -> Scanned:
        """Brings the records of some subtrees up to date; the run's scopes say what was covered.

        Raises RootOffline, having changed nothing it was not sure of.
        """
        context = self._context
        await context.root.check()
        operation = await run.begin()
        began = await self._began(prefixes)
        context.recorder.generation = max(context.recorder.generation, operation.generation)
        self._overtaken: list[str] = []
        outer = outermost(prefixes)
        found = _Found()
        merge = Merge(same=context.same, everything=rehash)
        with ungrouped():
            await self._scan(outer, merge, found, run, rehash)
        await self._inspect_vanished(found.vanished, run)
        look = await context.root.check()
        for prefix in outer:
            unknown = tuple(path for path in found.unknown if within(prefix, path))
            scope = ScanScope(prefix, operation.generation, unknown)
            run.covered(scope)
            if began is not None:
                await self._forget_problems(scope, began)
        self._forget_collisions(outer, found)
        await self._inspector.neighbours.look(outer, run)
        return Scanned(tuple(self._overtaken), look.is_empty)

    async def _began(self, prefixes: Sequence[str]) -> datetime | None:
        """When this scan began, by the store's clock; None if no problems are known that it could end."""
        context = self._context
        if not any(within(prefix, path) for path in context.troubled for prefix in prefixes):
            return None
        return (await context.store.gone(context.repository.id, timedelta())).now

    def _forget_collisions(self, prefixes: Sequence[str], found: _Found) -> None:
        """Those that were not noted again, where everything was seen."""
        colliding = self._context.colliding
        for path in [path for path in colliding if path not in found.colliding]:
            if any(within(one, path) for one in prefixes) and not any(within(u, path) for u in found.unknown):
                del colliding[path]

    async def _forget_problems(self, scope: ScanScope, before: datetime) -> None:
        context = self._context
        kept = (*scope.unknown, *context.unread)
        await context.store.forget_problems(context.repository.id, scope.prefix, before, kept)

    async def _scan(
        self, prefixes: Sequence[str], merge: Merge, found: _Found, run: Run, rehash: bool
    ) -> None:
        keys = KeyReader(self._context, prefixes)
        limiter = anyio.CapacityLimiter(_IN_FLIGHT)
        async with anyio.create_task_group() as tasks:
            async with self._context.workers.walk(self._context.spec, prefixes) as batches:
                async for batch in batches:
                    await self._take_notes(batch, found, run)
                    if batch.seen:
                        run.counts.files_scanned += sum(isinstance(item, File) for item in batch.seen)
                        records = await keys.until(position(batch.seen[-1]))
                        found.take(merge.step(batch.seen, records), run)
                    for waiting, size in ((found.changed, _BATCH), (found.replaced, _SWAPS)):
                        while len(waiting) >= size:
                            await self._start_inspection(tasks, limiter, waiting[:size], run, rehash)
                            del waiting[:size]
                    self._told(run)
            found.take(merge.step([], await keys.until(None)), run)
            for start in range(0, len(found.changed), _BATCH):
                await self._start_inspection(
                    tasks, limiter, found.changed[start : start + _BATCH], run, rehash
                )
        if found.replaced:  # after the rest, so that what moved to a free place has left its own
            await self._look_at(found.replaced, run, rehash)

    async def _take_notes(self, batch: WalkBatch, found: _Found, run: Run) -> None:
        unknown = [item for item in batch.seen if isinstance(item, Unknown)]
        found.unknown += [item.path for item in unknown]
        notes = [  # of an ignore file in a folder that cannot be read, the folder's own problem says enough
            note
            for note in batch.notes[: max(0, _MOST_NOTES - found.notes)]
            if note.code.is_note or not any(within(path, note.path) for path in found.unknown)
        ]
        found.notes += len(notes)
        found.colliding.update(note.path for note in notes if note.code is ProblemCode.NAMES_COLLIDE)
        await self._context.report([*(item.problem for item in unknown), *notes], [], run)

    async def _start_inspection(
        self, tasks: TaskGroup, limiter: anyio.CapacityLimiter, paths: list[str], run: Run, rehash: bool
    ) -> None:
        await limiter.acquire_on_behalf_of(token := object())
        tasks.start_soon(self._inspect, limiter, token, list(paths), run, rehash)

    async def _inspect(
        self, limiter: anyio.CapacityLimiter, token: object, paths: list[str], run: Run, rehash: bool
    ) -> None:
        try:
            await self._look_at(paths, run, rehash)
        finally:
            limiter.release_on_behalf_of(token)

    async def _look_at(self, paths: list[str], run: Run, rehash: bool) -> None:
        deadline = time.monotonic() + READY_WITHIN
        hints = dict.fromkeys(paths, rehash)
        self._overtaken += await self._inspector.inspect(
            hints, run, found_by_scan=True, reread=Reread() if rehash else None, deadline=deadline
        )
        self._told(run)

    async def _inspect_vanished(self, vanished: list[str], run: Run) -> None:
        """Last, so that whatever moved within the scan has been found at its new place."""
        for start in range(0, len(vanished), _BATCH):
            hints = dict.fromkeys(vanished[start : start + _BATCH], False)
            self._overtaken += await self._inspector.inspect(hints, run, found_by_scan=True)
            self._told(run)
