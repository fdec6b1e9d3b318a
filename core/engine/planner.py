"""When the scheduled work of one repository is due: what is noted of it survives restarts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from treeledger.config.settings import RepositorySettings, parse_quiet_hours
from treeledger.engine.context import Context
from treeledger.engine.hub import Committed, Event, ManyCommitted
from treeledger.model import ChangeKind
from treeledger.quiet import QuietHours
from treeledger.scheduling import Activity, Schedule, ScheduleKind, Timing, due, offset_of
from treeledger.wall_clock import local_now

_WORTH_NOTING: Final = timedelta(minutes=1)


def quiet_hours(settings: RepositorySettings) -> QuietHours | None:
    """When scheduled work has to wait, None for never."""
    span = settings.reconciliation.quiet_hours
    return None if span is None else QuietHours(*parse_quiet_hours(span))


def timings(settings: RepositorySettings, repository_id: UUID) -> Mapping[ScheduleKind, Timing]:
    """When a repository's work of each kind is to be done."""
    scans, scrub, quiet = settings.reconciliation, settings.scrub, quiet_hours(settings)

    def timing(kind: ScheduleKind, schedule: str | None, interval: float | None) -> Timing:
        return Timing(schedule, interval, offset_of(repository_id, kind, scans.jitter), quiet)

    return {
        ScheduleKind.FULL: timing(ScheduleKind.FULL, scans.schedule, scans.interval),
        ScheduleKind.QUICK: timing(ScheduleKind.QUICK, None, scans.quick_scan_interval),
        ScheduleKind.SCRUB: timing(ScheduleKind.SCRUB, scrub.schedule, scrub.interval),
    }


class Planner:
    """Says what is due, and notes in the store what ran and when it is due next.

    `upcoming`: the times as of the last look, in UTC; a kind that is never due is not in it.
    """

    def __init__(self, context: Context) -> None:
        self.upcoming: dict[ScheduleKind, datetime] = {}
        self._context = context
        self._timings = timings(context.settings, context.repository.id)
        self._noted: dict[ScheduleKind, Schedule] = {}
        self._is_loaded = False
        self._changes = 0  # since the last full scan, as far as this planner heard of them

    def last(self, kind: ScheduleKind) -> datetime | None:
        """When the last run ended that was completed."""
        return self._of(kind).ended_at

    def now(self) -> datetime:
        """What the wall clock says."""
        return local_now()

    async def look(self) -> Mapping[ScheduleKind, datetime]:
        """When each kind is due, as of now."""
        await self._load()
        now = self.now()
        activity = await self._activity()
        for kind, timing in self._timings.items():
            noted = self._of(kind).by(now)
            at = due(timing, self._basis(noted), now, activity if kind is ScheduleKind.FULL else None)
            self.upcoming.pop(kind, None)
            if at is not None:
                self.upcoming[kind] = at
            if _differ(noted.due_at, at):
                noted = replace(noted, due_at=at)
            await self._note(noted)
        return self.upcoming

    @asynccontextmanager
    async def running(self, kind: ScheduleKind) -> AsyncIterator[None]:
        """Around a run: notes when it began and, unless it is broken off, when it ended."""
        await self._load()
        await self._note(replace(self._of(kind), started_at=self.now().astimezone(UTC)))
        yield
        await self._note(replace(self._of(kind), ended_at=self.now().astimezone(UTC)))
        if kind is ScheduleKind.FULL:
            self._changes = 0
        await self.look()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Counts meanwhile what changes in the repository."""
        stop = self._context.hub.listen(self._hear)
        try:
            yield
        finally:
            stop()

    def _hear(self, event: Event) -> None:
        if not isinstance(event, Committed | ManyCommitted):
            return
        if event.repository.id == self._context.repository.id:
            self._changes += (
                len(event.numbers)
                if isinstance(event, ManyCommitted)
                else sum(entry.kind is not ChangeKind.HASHED for entry in event.entries)
            )

    def _of(self, kind: ScheduleKind) -> Schedule:
        return self._noted.get(kind) or Schedule(self._context.repository.id, kind)

    def _basis(self, noted: Schedule) -> Schedule:
        """A full scan does what a quick one would."""
        if noted.kind is not ScheduleKind.QUICK:
            return noted
        ends = [end for end in (noted.ended_at, self.last(ScheduleKind.FULL)) if end is not None]
        return replace(noted, ended_at=max(ends, default=None))

    async def _load(self) -> None:
        if not self._is_loaded:
            known = await self._context.store.schedules(self._context.repository.id)
            self._noted = {schedule.kind: schedule for schedule in known}
            self._is_loaded = True

    async def _note(self, schedule: Schedule) -> None:
        if schedule != self._of(schedule.kind):
            self._noted[schedule.kind] = schedule
            await self._context.store.note_schedule(schedule)

    async def _activity(self) -> Activity | None:
        """What a full scan goes by that may come earlier or later; None where it may not."""
        if not self._context.settings.reconciliation.smart:
            return None
        files = (await self._context.current()).files
        return Activity(self._changes, files, os.getloadavg()[0] / (os.cpu_count() or 1))


def _differ(noted: datetime | None, at: datetime | None) -> bool:
    """Whether a time is another one than was noted; smart ones move a little with every look."""
    return noted != at and (noted is None or at is None or abs(noted - at) >= _WORTH_NOTING)
