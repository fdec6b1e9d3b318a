"""Scheduled work of repositories: what there is, and when it is due, as pure functions of the clock.

Times are aware. `now` carries the zone of the wall clock, by which cron expressions and quiet hours go;
what is given back is in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from treeledger.quiet import QuietHours

_LONGEST: Final = 100 * 365 * 86400.0  # seconds; a longer interval would leave the calendar
_LEAST_WAIT: Final = 0.25  # of what was planned, however much has changed
_SMALL: Final = 1000  # files; changes in a smaller tree count as in one of so many
_BUSY: Final = 1.0  # processes that want to run, for each core
_LOOK_AGAIN: Final = timedelta(minutes=5)


class ScheduleKind(StrEnum):
    FULL = "full"  # reconciliation of the whole tree
    QUICK = "quick"  # of the folders that changed recently
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When one kind of a repository's scheduled work ran, and when it is due. `ended_at`: of the last run
    that was completed."""

    repository_id: UUID
    kind: ScheduleKind
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None

    def by(self, now: datetime) -> Schedule:
        """Without runs in the future, of which a clock told that was put back since: they ran by now."""
        return replace(self, started_at=_past(self.started_at, now), ended_at=_past(self.ended_at, now))


@dataclass(frozen=True, slots=True)
class Timing:
    """When one kind of work is to be done, as settings say it. With neither of the first two: never.

    `schedule` is a cron expression; `interval`, in seconds from the end of one run, wins over it. `offset`:
    so many seconds later, lest all repositories begin at once.
    """

    schedule: str | None = None
    interval: float | None = None
    offset: float = 0.0
    quiet: QuietHours | None = None


class Activity(NamedTuple):
    """What lets a run come earlier or later: how much changed since the last one, how busy the machine is.

    `load`: processes that want to run, for each core.
    """

    changes: int
    files: int
    load: float


def due(timing: Timing, noted: Schedule, now: datetime, activity: Activity | None = None) -> datetime | None:
    """When work is due; None for never. What was missed, however often, is due once, at a time that is past.

    It counts from the last run that was completed; where there was none, from when that was noted first,
    but a tree that was never scanned is due at once where an interval says when. Within quiet hours it
    waits for their end. With an `activity` it comes earlier where much has changed, at a quarter of the
    time at the least, and later while the machine is busy, by one interval or cron time at the most.
    """
    planned = _planned(timing, noted, now)
    if planned is None:
        return None
    wanted = planned
    if activity is not None and noted.ended_at is not None:
        last = min(noted.ended_at.astimezone(UTC), now.astimezone(UTC))
        wanted = last + (planned - last) * _share(activity)
    if activity is not None and activity.load > _BUSY and wanted <= now:
        latest = _following(timing, planned - timedelta(seconds=timing.offset), now.tzinfo)
        later = now.astimezone(UTC) + _LOOK_AGAIN
        wanted = wanted if latest is None or latest <= now else min(later, latest)
    return _outside(timing.quiet, wanted, now)


def offset_of(repository_id: UUID, kind: ScheduleKind, jitter: float) -> float:
    """Seconds from 0 to less than `jitter`, always the same for a repository and a kind of work."""
    digest = blake2b(repository_id.bytes + kind.value.encode(), digest_size=6).digest()
    return jitter * (int.from_bytes(digest, "big") / 2**48)


def _past(moment: datetime | None, now: datetime) -> datetime | None:
    return None if moment is None else min(moment, now.astimezone(UTC))


def _planned(timing: Timing, noted: Schedule, now: datetime) -> datetime | None:
    """When it would be due in a calm world without quiet hours."""
    if noted.ended_at is not None:
        return _following(timing, min(noted.ended_at, now), now.tzinfo)
    if noted.kind is ScheduleKind.FULL and timing.interval is not None:
        return now.astimezone(UTC)
    planned = _following(timing, now, now.tzinfo)
    return planned if planned is None or noted.due_at is None else min(planned, noted.due_at)


def _following(timing: Timing, moment: datetime, zone: tzinfo | None) -> datetime | None:
    """The next time after a moment, by interval or expression."""
    after = moment.astimezone(UTC)
    offset = timedelta(seconds=timing.offset)
    if timing.interval is not None:
        return after + timedelta(seconds=min(timing.interval, _LONGEST)) + offset
    if timing.schedule is None:
        return None
    following = _following_by_cron(timing.schedule, after, zone)
    return following and following + offset


def _following_by_cron(expression: str, after: datetime, zone: tzinfo | None) -> datetime | None:
    """A time that the wall clock shows twice counts once, one that it skips is the next that it shows."""
    from cronsim import CronSim  # late: whoever only reads schedules needs none

    for moment in CronSim(expression, after.astimezone(zone)):
        found: datetime = moment.astimezone(UTC)
        if found > after:  # not so in the second of two hours that are called the same
            return found
    return None


def _share(activity: Activity) -> float:
    """The part of the planned wait that is left: half of it where a tenth of the files changed."""
    changed = activity.changes / max(activity.files, _SMALL)
    return max(_LEAST_WAIT, 1 / (1 + 10 * changed))


def _outside(quiet: QuietHours | None, wanted: datetime, now: datetime) -> datetime:
    """The first time from then on, and from now on, that is not within quiet hours."""
    if quiet is None:
        return wanted
    begins = max(wanted, now).astimezone(now.tzinfo)
    return quiet.over(begins).astimezone(UTC) if quiet.holds(begins) else wanted
