"""What the wall clock says, in the zone of this machine with its changes to and from summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final


class LocalZone(tzinfo):
    """The zone that the system is set to (`TZ`, /etc/localtime), whose rules the C library knows.

    `datetime.astimezone()` gives an offset that holds at one moment only, so that the same time of the
    next day would be an hour off when the clocks are changed in between.
    """

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        there = moment.replace(tzinfo=UTC).astimezone()
        first = there.replace(tzinfo=self, fold=0)
        return first if first.utcoffset() == there.utcoffset() else first.replace(fold=1)


LOCAL: Final = LocalZone()


def local_now() -> datetime:
    """The time now, in the local zone."""
    return datetime.now(LOCAL)
