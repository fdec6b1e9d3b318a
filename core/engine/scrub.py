"""Scrubbing: contents are read again, and what changed without a trace in any stat is found.

The records come page by page in the order of their last verification, and each batch is inspected and
committed by itself: so a scrub that was stopped, in whatever way, goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
from anyio.abc import TaskGroup

from treeledger.engine.budget import DEFAULT_BUDGET, Budget, Purse
from treeledger.engine.context import Context
from treeledger.engine.groups import ungrouped
from treeledger.engine.inspector import SMALL_FILE, Inspector, Reread
from treeledger.engine.run import Run
from treeledger.model import FileRecord
from treeledger.names import within
from treeledger.pacing import Pace
from treeledger.protocols import EPOCH, ScrubPlace

_PAGE: Final = 2000  # records
_BATCH: Final = 1000  # files in one inspection
_BATCH_BYTES: Final = 4 * SMALL_FILE
_BATCH_SECONDS: Final = 1.0  # of a pace
_ASTRAY: Final = timedelta(days=1)  # a time so far ahead was set by a clock that was wrong
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ScrubRequest:
    """What to scrub, and how much of it at what `rate` (bytes a second).

    `older_than`: only what was not verified for so many seconds.
    """

    prefixes: Sequence[str] = ("",)
    budget: Budget = DEFAULT_BUDGET
    rate: float | None = None
    older_than: float = 0.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is being read, and how."""

    run: Run
    purse: Purse
    reread: Reread

    @property
    def most_in_batch(self) -> float:
        """Bytes; with a pace as many as take a second or so, so that something is committed often."""
        pace = self.reread.pace
        return _BATCH_BYTES if pace is None else min(_BATCH_BYTES, pace.rate * _BATCH_SECONDS)


class Scrubber:
    """Scrubs one repository. `told` is called after each batch with the run so far."""

    def __init__(
        self, context: Context, inspector: Inspector, told: Callable[[Run], None] | None = None
    ) -> None:
        self._context = context
        self._inspector = inspector
        self._told = told or (lambda run: None)
        self._in_flight = anyio.CapacityLimiter(context.settings.reconciliation.max_concurrency)

    async def scrub(self, request: ScrubRequest, run: Run) -> str | None:
        """Reads files until the budget is used up; says which limit that was, None if all were read.

        Raises RootOffline, StoreUnavailable, LeaseLost.
        """
        await self._context.root.check()
        await run.begin()
        purse = Purse(request.budget, (await self._context.current()).bytes)
        own = self._context.pace
        pace = own if request.rate is None else Pace(request.rate, within=own)
        reading = _Reading(run, purse, Reread(purse.deadline, pace))
        started = datetime.now(UTC)
        before = started - timedelta(seconds=request.older_than)
        spans: list[tuple[ScrubPlace | None, datetime, datetime]] = [(None, started, before)]
        if not request.older_than:  # what was verified in a future that a wrong clock told of
            astray = started + _ASTRAY
            spans.append((ScrubPlace(astray, astray, 0), started, _LAST))
        ended: str | None = None
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                while ended is None and spans:
                    ended = await self._scrub(request, spans.pop(0), reading, tasks)
        return ended

    async def _scrub(
        self,
        request: ScrubRequest,
        span: tuple[ScrubPlace | None, datetime, datetime],
        reading: _Reading,
        tasks: TaskGroup,
    ) -> str | None:
        """One span of the order: from where, since when what was read is this run's own, up to where."""
        after, started, before = span
        store, id = self._context.store, self._context.repository.id
        while page := await store.records_to_scrub(id, after=after, before=before, limit=_PAGE):
            after = ScrubPlace.of(page[-1])
            wanted = [
                record
                for record in page
                if any(within(prefix, record.path) for prefix in request.prefixes)
                and not started <= (record.read_at or EPOCH) < started + _ASTRAY
            ]
            ended = await self._read(wanted, reading, tasks)
            if ended is not None:
                return ended
        return None

    async def verify(self, run: Run, seconds: float) -> None:
        """Reads what is to be verified since its stat changed, oldest-verified first, for about so long."""
        purse = Purse(Budget(seconds=seconds), 0)
        reading = _Reading(run, purse, Reread(purse.deadline, self._context.pace))
        store, id = self._context.store, self._context.repository.id
        tried: list[int] = []
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                while records := await store.records_to_hash(
                    id, verify=True, priority=(), skip=tried, limit=_PAGE
                ):
                    if await self._read(records, reading, tasks) is not None:
                        return
                    tried += [record.id for record in records]

    async def _read(self, records: Sequence[FileRecord], reading: _Reading, tasks: TaskGroup) -> str | None:
        """Begins to read as many of the records as the budget allows; says what ended that, else None."""
        batch: list[FileRecord] = []
        size = 0
        for record in records:
            ended = reading.purse.ended(reading.run.counts)
            if ended is not None:
                await self._start(batch, reading, tasks)
                return ended
            reading.purse.take(record.stat.size)
            if record.stat.size > reading.most_in_batch:
                await self._start([record], reading, tasks)
                continue
            batch.append(record)
            size += record.stat.size
            if len(batch) == _BATCH or size > reading.most_in_batch:
                await self._start(batch, reading, tasks)
                batch, size = [], 0
        await self._start(batch, reading, tasks)
        return None

    async def _start(self, batch: list[FileRecord], reading: _Reading, tasks: TaskGroup) -> None:
        """Has a batch inspected as soon as fewer than `max_concurrency` others are."""
        if batch:
            await self._in_flight.acquire_on_behalf_of(token := object())
            tasks.start_soon(self._inspect, batch, reading, token)

    async def _inspect(self, batch: Sequence[FileRecord], reading: _Reading, token: object) -> None:
        run = reading.run
        try:
            run.counts.files_scanned += len(batch)
            paths = dict.fromkeys((record.path for record in batch), True)
            await self._inspector.inspect(paths, run, reread=reading.reread)
            self._told(run)
        finally:
            reading.purse.give_back(len(batch), sum(record.stat.size for record in batch))
            self._in_flight.release_on_behalf_of(token)
