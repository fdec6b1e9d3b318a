"""The hash queue: reads what was committed without a hash, in order of priority and across restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import anyio
from anyio.abc import TaskGroup

from treeledger.engine.content import with_read
from treeledger.engine.context import Context
from treeledger.engine.inspector import READY_WITHIN, SMALL_FILE, Inspector
from treeledger.engine.run import Run
from treeledger.model import Change, FileRecord, HashState, Problem, ProblemCode, RecordState
from treeledger.reading import OVERTAKEN, Outcome, Read, ReadLimits

_PAGE: Final = 1000
_MOST_LARGE: Final = 64  # large files that are being read or next to be; the rest waits in the store
_LOOK_EVERY: Final = 60.0  # seconds between looks for failed files that are due again
_HOLD_OFF: Final = 1.0  # seconds until a file that changed under our eyes is tried again; doubles
_LONGEST_HOLD_OFF: Final = 300.0
_NEVER: Final = float("inf")

Cost = Callable[[str, float], None]


class _HeldOff(NamedTuple):
    """A file that changed under our eyes: not before `until` again, so many `times` by now."""

    until: float = 0.0
    delay: float = _HOLD_OFF / 2
    times: int = 0


class Hashes:
    """Reads pending files of one repository; small ones in batches, large ones each in a thread.

    Neither waits for the other: what comes in while large files are read is read at once.
    """

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
        self._held_off: dict[int, _HeldOff] = {}
        self._tries: int | None = None
        self._looked = 0.0  # when the store was asked last

    async def drain(
        self, run: Run, *, tries: int | None = None, more: Callable[[], bool] = lambda: False
    ) -> None:
        """Reads until nothing is pending that can be read now, and `more` says that nothing will be.

        Who lets `more` become false sets `Recorder.unread`, which ends each wait here.
        `tries`: give up on a file after it changed so many times while it was read, and say so.
        """
        self._tries = tries
        recorder = self._context.recorder
        async with anyio.create_task_group() as tasks:
            while True:
                may_more_come = more()
                recorder.unread = anyio.Event()
                records = await self._next()
                delay = self.next_try()
                if records:
                    await self._read(records, run, tasks)
                elif self._busy or may_more_come or (delay is not None and tries is not None):
                    with anyio.move_on_after(_LOOK_EVERY if delay is None else delay):
                        await recorder.unread.wait()
                else:
                    return

    def next_try(self) -> float | None:
        """Seconds until a file that was held off at the last look may be tried; None if there is none."""
        untils = [held.until for held in self._held_off.values() if self._looked < held.until != _NEVER]
        return max(0.0, min(untils) - time.monotonic()) if untils else None

    async def _next(self) -> list[FileRecord]:
        """The next records to read: large ones only as far as there is room for them."""
        context = self._context
        self._looked = now = time.monotonic()
        over = {id for id, held in self._held_off.items() if held.until <= now}
        largest = None if self._room else SMALL_FILE
        records = await context.store.records_to_hash(
            context.repository.id,
            verify=False,
            priority=context.settings.priority,
            skip=[*self._busy, *(self._held_off.keys() - over)],
            largest=largest,
            limit=_PAGE,
        )
        if largest is None and len(records) < _PAGE:
            for id in over.difference(record.id for record in records):
                del self._held_off[id]  # its inspection has read it meanwhile, or it is gone
        return records or await self._urgent()

    @property
    def _room(self) -> int:
        """How many more large files may be taken in hand."""
        return _MOST_LARGE - len(self._busy)

    async def _urgent(self) -> list[FileRecord]:
        """Records that somebody waits for to be verified; those asked for are forgotten."""
        context = self._context
        paths = [context.urgent.pop() for _ in range(min(_PAGE, len(context.urgent)))]
        records = await context.store.records_at(context.repository.id, paths) if paths else {}
        wanted = [
            record
            for record in records.values()
            if record.state is RecordState.PRESENT
            and record.hash_state is HashState.VERIFY
            and record.id not in self._busy
        ]
        large = [record.id for record in wanted if record.stat.size > SMALL_FILE]
        waiting = {*self._held_off, *large[self._room :]}
        context.urgent.update(record.path for record in records.values() if record.id in waiting)
        return [record for record in wanted if record.id not in waiting]

    async def _read(self, records: Sequence[FileRecord], run: Run, tasks: TaskGroup) -> None:
        small = [record for record in records if record.stat.size <= SMALL_FILE]
        large = [record for record in records if record.stat.size > SMALL_FILE]
        for record in large[: self._room]:
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
            self._context.recorder.unread.set()

    def _limits(self, deadline: float | None) -> ReadLimits:
        context = self._context
        return ReadLimits(
            deadline=deadline,
            max_size=context.content.max_size,
            timeout=context.settings.reconciliation.hash_timeout,
            pace=context.pace,
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
            self._hold_off_refused(changes)
        run.count_read([read.stat.size for read in reads if read.outcome is Outcome.DONE])
        self._told(run)
        await self._context.report_reads(reads, [], run)
        self._context.ask_for(
            read.path
            for read in reads
            if read.outcome is Outcome.LATER and by_path[read.path].hash_state is HashState.VERIFY
        )
        await self._look_again([by_path[r.path] for r in reads if r.outcome in OVERTAKEN], run)

    def _hold_off_refused(self, changes: Sequence[Change]) -> None:
        """What the store cannot take is not read again and again for it."""
        until = time.monotonic() + _LONGEST_HOLD_OFF if self._tries is None else _NEVER
        for change in changes:
            if change.after.path in self._context.recorder.refused:
                self._held_off[change.after.id] = _HeldOff(until, _LONGEST_HOLD_OFF)

    async def _look_again(self, records: Sequence[FileRecord], run: Run) -> None:
        """Files that are not as recorded any more: inspected now, read again a little later."""
        if not records:
            return
        for record in records:
            _, delay, times = self._held_off.get(record.id, _HeldOff())
            delay = min(2 * delay, _LONGEST_HOLD_OFF)
            self._held_off[record.id] = _HeldOff(time.monotonic() + delay, delay, times + 1)
        await self._inspector.inspect({record.path: True for record in records}, run)
        await self._give_up([record for record in records if self._is_hopeless(record.id)], run)

    def _is_hopeless(self, id: int) -> bool:
        held = self._held_off.get(id)
        return self._tries is not None and held is not None and held.times >= self._tries

    async def _give_up(self, records: Sequence[FileRecord], run: Run) -> None:
        now = await self._context.store.records_at(
            self._context.repository.id, [record.path for record in records]
        )
        message = "it kept changing while it was read; its content is not known"
        problems = []
        for record in records:
            self._held_off[record.id] = self._held_off[record.id]._replace(until=_NEVER)
            if record.path in now and now[record.path].hash_state in _UNREAD:
                problems.append(Problem(record.path, ProblemCode.CHANGED_WHILE_READ, message))
        await self._context.report_reads([], problems, run)


_UNREAD: Final = (HashState.PENDING, HashState.VERIFY)
