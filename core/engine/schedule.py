"""When the next scheduled reconciliation is due: a pure function of settings and the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from cronsim import CronSim

from treeledger.config.settings import ReconciliationSettings


def local_now() -> datetime:
    """What the wall clock says, in the local zone."""
    return datetime.now().astimezone()


def next_reconciliation(
    settings: ReconciliationSettings, last: datetime | None, now: datetime
) -> datetime | None:
    """The next time, aware; None if nothing is scheduled.

    An interval counts from the last reconciliation. A cron expression is local time; `now` carries
    the local zone. A change to or from summer time skips no run and doubles none.
    """
    if settings.interval is not None:
        return now if last is None else last + timedelta(seconds=settings.interval)
    if settings.schedule is None:
        return None
    due: datetime = next(CronSim(settings.schedule, now))
    return due
