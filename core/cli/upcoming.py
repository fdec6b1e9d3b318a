"""When scheduled work of repositories ran and is due, as `treeledger status` tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from treeledger.cli.render import table, when
from treeledger.model import Repository
from treeledger.scheduling import Schedule, ScheduleKind

_WORK = {
    ScheduleKind.FULL: "full scan",
    ScheduleKind.QUICK: "quick scan",
    ScheduleKind.SCRUB: "scrub",
}


def print_schedules(repositories: Sequence[Repository], schedules: Sequence[Schedule], now: datetime) -> None:
    """One line for each kind of work that a repository has; what is paused has no next time."""
    rows = [
        (repository.name, _WORK[one.kind], when(one.ended_at, now), _next(repository, one, now))
        for repository in repositories
        for one in schedules
        if one.repository_id == repository.id and (one.due_at or one.ended_at)
    ]
    if rows:
        print()
        table(("Name", "Work", "Last", "Next"), rows)


def _next(repository: Repository, schedule: Schedule, now: datetime) -> str:
    return "-" if repository.paused or schedule.due_at is None else when(schedule.due_at, now)
