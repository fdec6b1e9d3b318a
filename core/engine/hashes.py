"""The hash queue: reads what was committed without a hash, in order of priority and across restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import anyio
from anyio.abc import TaskGroup

from treeledger.engine.content import with_read
from treeledger.engine.context import Context
from treeledger.engine.inspector import READY_WITHIN, SMALL_FILE, Inspector
from treeledger.engine.run import Run
from treeledger.model import Change, FileRecord, Problem, ProblemCode
from treeledger.reading import OVERTAKEN, Outcome, Read, ReadLimits

_PAGE: Final = 1000
_HOLD_OFF: Final = 1.0  # seconds until a file that changed under our eyes is tried again; doubles
_LONGEST_HOLD_OFF: Final = 300.0
_NEVER: Final = float("inf")

Cost = Callable[[str, float], None]


class Hashes:
    """Reads pending files of one repository; small ones in batches, large ones each in a thread."""

    def __init__(
        self,
        context: Context,
        inspector: Inspector,
        cost: Cost | None = None,
        told: Callable[[Run], None] | None = None,
    ) -> None:
        self._context = context
        self._inspector = inspector
        self._cost = cost or (lambda path, seconds: None)
        self._told = told or (lambda run: None)
        self._busy: set[int] = set()  # ids in the hands of a thread
        self._held_off: dict[int, tuple[float, float]] = {}  # until, and how long
        self._asked = 0.0
        self._progress = anyio.Event()

    async def drain(self, run: Run, *, tries: int | None = None) -> None:
        """Reads until nothing is pending that can be read now.

        `tries`: give up on a file after it changed so many times while it was read, and say so.
        """
        attempts: dict[int, int] = {}
        async with anyio.create_task_group() as tasks:
            while True:
                records = await self._next()
                if records:
                    await self._read(records, run, tasks)
                    if tries is not None:
                        await self._give_up(records, attempts, tries, run)
                elif self._busy:
                    self._progress = anyio.Event()
                    await self._progress.wait()
                elif (delay := self.next_try()) is not None and tries is not None:
                    await anyio.sleep(delay)
                else:
                    return

    def next_try(self) -> float | None:
        """Seconds until a file that was held off may be tried again; None if there is none.

        One that was due when the store was last asked is read by now, or gone.
        """
        untils = [until for until, _ in self._held_off.values() if self._asked < until != _NEVER]
        return max(0.0, min(untils) - time.monotonic()) if untils else None

    async def _next(self) -> list[FileRecord]:
        context = self._context
        now = self._asked = time.monotonic()
        waiting = [id for id, (until, _) in self._held_off.items() if until > now]
        for id in [id for id, (until, _) in self._held_off.items() if until <= now - _LONGEST_HOLD_OFF]:
            del self._held_off[id]
        return await context.store.records_to_hash(
            context.repository.id,
            verify=False,
            priority=context.settings.priority,
            skip=[*self._busy, *waiting],
            limit=_PAGE,
        )

    async def _read(self, records: Sequence[FileRecord], run: Run, tasks: TaskGroup) -> None:
        small = [record for record in records if record.stat.size <= SMALL_FILE]
        for record in records:
            if record.stat.size > SMALL_FILE:
                self._busy.add(record.id)
                tasks.start_soon(self._read_large, record, run)
        if small:
            wanted = [(record.path, record.stat) for record in small]
            limits = self._limits(time.monotonic() + READY_WITHIN)
            reads = await self._context.workers.read_small(self._context.spec, wanted, limits)
            await self._record(small, reads, run)

    async def _read_large(self, record: FileRecord, run: Run) -> None:
        started = time.monotonic()
        try:
            read = await self._context.workers.read_large(
                self._context.spec, record.path, record.stat, self._limits(None), self._context.large
            )
            await self._record([record], [read], run)
        finally:
            self._busy.discard(record.id)
            self._cost(record.path, time.monotonic() - started)
            self._progress.set()

    def _limits(self, deadline: float | None) -> ReadLimits:
        context = self._context
        return ReadLimits(
            deadline=deadline,
            max_size=context.content.max_size,
            timeout=context.settings.reconciliation.hash_timeout,
        )

    async def _record(self, records: Sequence[FileRecord], reads: Sequence[Read], run: Run) -> None:
        by_path = {record.path: record for record in records}
        now = datetime.now(UTC)
        changes = []
        for read in reads:
            record = by_path[read.path]
            change = with_read(Change(None, record, record), read, self._context.algorithm, now)
            if change.after != record:
                changes.append(change)
        if changes:
            await self._context.recorder.apply(changes, run)
        run.count_read([read.stat.size for read in reads if read.outcome is Outcome.DONE])
        self._told(run)
        await self._context.report_reads(reads, [], run)
        await self._look_again([by_path[r.path] for r in reads if r.outcome in OVERTAKEN], run)

    async def _look_again(self, records: Sequence[FileRecord], run: Run) -> None:
        """Files that are not as recorded any more: inspected now, read again a little later."""
        if not records:
            return
        for record in records:
            _, last = self._held_off.get(record.id, (0.0, _HOLD_OFF / 2))
            delay = min(2 * last, _LONGEST_HOLD_OFF)
            self._held_off[record.id] = (time.monotonic() + delay, delay)
        await self._inspector.inspect({record.path: True for record in records}, run)

    async def _give_up(
        self, records: Sequence[FileRecord], attempts: dict[int, int], tries: int, run: Run
    ) -> None:
        for record in records:
            if record.id not in self._held_off:
                continue
            attempts[record.id] = attempts.get(record.id, 0) + 1
            if attempts[record.id] >= tries:
                self._held_off[record.id] = (_NEVER, _LONGEST_HOLD_OFF)
                message = "it kept changing while it was read; its hash stays pending"
                problem = Problem(record.path, ProblemCode.CHANGED_WHILE_READ, message)
                await self._context.report_reads([], [problem], run)
