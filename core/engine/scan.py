"""Scanning: the walk of a tree merged with the ledger's records; what differs is inspected.

Every page of records is a short transaction of its own, and what was nominated is looked at anew, so
a scan may run beside live writes and never overwrites one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import anyio
from anyio.abc import TaskGroup

from treeledger.dirty import outermost
from treeledger.engine.beside import Looking
from treeledger.engine.context import Context
from treeledger.engine.groups import ungrouped
from treeledger.engine.inspector import READY_WITHIN, SMALL_FILE, Inspector, Reread
from treeledger.engine.readers import patience
from treeledger.engine.run import Run
from treeledger.engine.surveys import Surveys
from treeledger.merge import Nominations
from treeledger.model import Problem, ProblemCode, ScanScope
from treeledger.names import within
from treeledger.protocols import iterate_batches
from treeledger.reading import ReadLimits
from treeledger.survey import Surveyed, Taking, Task

_BATCH: Final = 1000  # paths in one inspection
_SWAPS: Final = 20_000  # of those that may have changed places, which are inspected together
_IN_FLIGHT: Final = 16  # inspections, each READY_WITHIN at most: a scan commits at walking speed
_NEW: Final = 4000  # files that are taken up in one transaction
_MOST_NOTES: Final = 10_000

Told = Callable[[Run], None]


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
    notes: set[Problem] = field(default_factory=set)
    colliding: set[str] = field(default_factory=set)

    def full_batches(self) -> Iterator[list[str]]:
        """Takes out what is enough for inspections of its own."""
        for waiting, size in ((self.changed, _BATCH), (self.replaced, _SWAPS)):
            while len(waiting) >= size:
                yield waiting[:size]
                del waiting[:size]

    def take(self, nominations: Nominations, run: Run) -> None:
        run.counts.files_unchanged += nominations.unchanged
        self.changed += [file.path for file in nominations.new]
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
        context.beside.begin(below=prefixes)
        await context.root.check()
        operation = await run.begin()
        began = await self._began(prefixes)
        context.recorder.generation = max(context.recorder.generation, operation.generation)
        self._overtaken: list[str] = []
        outer = outermost(prefixes)
        found = _Found()
        with ungrouped():
            await self._scan(outer, found, run, rehash)
        await self._inspect_vanished(found.vanished, run)
        look = await context.root.check()
        for prefix in outer:
            unknown = tuple(path for path in found.unknown if within(prefix, path))
            scope = ScanScope(prefix, operation.generation, unknown)
            run.covered(scope)
            if began is not None:
                await self._forget_problems(scope, began)
        self._forget_collisions(outer, found)
        self._inspector.neighbours.note_beside(outer)
        await self._inspector.neighbours.settle(run)
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
        refused = await context.store.records_at(context.repository.id, sorted(context.recorder.refused))
        kept = (*scope.unknown, *context.unread, *refused)
        await context.store.forget_problems(context.repository.id, scope.prefix, before, kept)

    async def _scan(self, prefixes: Sequence[str], found: _Found, run: Run, rehash: bool) -> None:
        limiter = anyio.CapacityLimiter(_IN_FLIGHT)
        task = Task(change_key=self._context.change_key, everything=rehash, taking=self._taking())
        surveys = Surveys(self._context, prefixes, task)
        async with anyio.create_task_group() as tasks:
            with self._context.beside.looking() as looking:
                async with surveys.results() as results:
                    async for surveyed in results:
                        await self._take(surveyed, found, run, looking)
                        for paths in found.full_batches():
                            await self._start_inspection(tasks, limiter, paths, run, rehash)
                        self._told(run)
            for rest in iterate_batches(found.changed, _BATCH):
                await self._start_inspection(tasks, limiter, rest, run, rehash)
        if found.replaced:  # after the rest, so that what moved to a free place has left its own
            await self._look_at(found.replaced, run, rehash)

    def _taking(self) -> Taking | None:
        """How new files are taken up on the way; none is where a pace is kept, which processes cannot."""
        context = self._context
        if context.pace is not None:
            return None
        limits = ReadLimits(
            max_size=context.content.max_size, timeout=context.settings.reconciliation.hash_timeout
        )
        return Taking(context.content, limits, SMALL_FILE, READY_WITHIN, patience(limits), _NEW)

    async def _take(self, surveyed: Surveyed, found: _Found, run: Run, looking: Looking) -> None:
        await self._take_notes(surveyed, found, run)
        run.counts.files_scanned += surveyed.files
        found.take(surveyed.nominations, run)
        if surveyed.new:
            read_at = datetime.fromtimestamp(surveyed.read_at, UTC)
            found.changed += await self._context.recorder.add(
                surveyed.new, run, self._context.algorithm, read_at
            )
            found.changed += looking.met([file[0] for file in surveyed.new])
            run.count_read(surveyed.sizes)

    async def _take_notes(self, surveyed: Surveyed, found: _Found, run: Run) -> None:
        found.unknown += [item.path for item in surveyed.unknown]
        notes = [  # of an ignore file in a folder that cannot be read, the folder's own problem says enough
            note
            for note in surveyed.notes
            if note not in found.notes
            and (note.code.is_note or not any(within(path, note.path) for path in found.unknown))
        ]
        del notes[max(0, _MOST_NOTES - len(found.notes)) :]
        found.notes.update(notes)
        found.colliding.update(note.path for note in notes if note.code is ProblemCode.NAMES_COLLIDE)
        await self._context.report([*(item.problem for item in surveyed.unknown), *notes], [], run)

    async def _start_inspection(
        self, tasks: TaskGroup, limiter: anyio.CapacityLimiter, paths: Sequence[str], run: Run, rehash: bool
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
