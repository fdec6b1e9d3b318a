"""Quiet hours: the span of a day in which the disks belong to people."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple


class QuietHours(NamedTuple):
    """From `begin` to before `end` by the wall clock, over midnight where the end is the earlier of them."""

    begin: time
    end: time

    def holds(self, moment: datetime) -> bool:
        """Whether a moment, in the zone of the wall clock, is within them."""
        wall = moment.time()
        if self.begin < self.end:
            return self.begin <= wall < self.end
        return wall >= self.begin or wall < self.end

    def over(self, moment: datetime) -> datetime:
        """When those end that a moment is within."""
        wall = moment.time()
        if self.begin > self.end and wall >= self.begin:
            return _at(moment + timedelta(days=1), self.end)
        return _at(moment, self.end, fold=moment.fold)

    def begins_after(self, moment: datetime) -> datetime:
        """When the next ones begin."""
        today = _at(moment, self.begin, fold=moment.fold)
        is_over = today.astimezone(UTC) <= moment.astimezone(UTC)
        return _at(moment + timedelta(days=1), self.begin) if is_over else today


def _at(day: datetime, wall: time, fold: int = 0) -> datetime:
    """A wall clock's time of a day; one that it skips is the time it shows instead."""
    moment = datetime.combine(day.date(), wall, tzinfo=day.tzinfo).replace(fold=fold)
    return moment.astimezone(UTC).astimezone(day.tzinfo)
