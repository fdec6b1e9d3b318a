"""What an engine has done since it began, in numbers: counted from what the hub tells."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from typing import Final
from uuid import UUID

from treeledger.engine.hub import CaughtUp, Event, Finished, Progress
from treeledger.model import Counts, OperationStatus, OperationType

LATENCIES: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # seconds
DURATIONS: Final = (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 4 * 3600.0, 24 * 3600.0)  # seconds


class Spread:
    """How many durations were within each of some `bounds` (seconds, ascending), and their `sum`."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.sum = 0.0
        self._counts = [0] * (len(bounds) + 1)  # the last: of what took longer

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def within(self) -> list[tuple[float, int]]:
        """For each bound, and at the end without one, how many took as long at most."""
        return list(zip((*self.bounds, inf), accumulate(self._counts), strict=True))


@dataclass(slots=True)
class Metered:
    """Of one repository. `ended`: the operations by type and how they ended."""

    latency: Spread = field(default_factory=lambda: Spread(LATENCIES))
    durations: dict[OperationType, Spread] = field(default_factory=dict)
    ended: Counter[tuple[OperationType, OperationStatus]] = field(default_factory=Counter)
    _counts: Counter[str] = field(default_factory=Counter)
    _running: dict[OperationType, Counts] = field(default_factory=dict)

    def counted(self) -> Counter[str]:
        """The sums of the counts of all operations, by the names of `Counts`; those that run included."""
        total = Counter(self._counts)
        for counts in self._running.values():
            total.update(_by_name(counts))
        return total

    def go_on(self, type: OperationType, counts: Counts) -> None:
        """An operation is as far as `counts`, which it goes on counting in."""
        before = self._running.get(type)
        if before is not None and before is not counts:  # it ended without a word: the store was away
            self._counts.update(_by_name(before))
        self._running[type] = counts

    def end(self, event: Finished) -> None:
        operation = event.operation
        if self._running.get(operation.type) == operation.counts:  # else it is of another one
            del self._running[operation.type]
        self._counts.update(_by_name(operation.counts))
        self.ended[operation.type, operation.status] += 1
        if operation.duration_ms is not None:
            spread = self.durations.setdefault(operation.type, Spread(DURATIONS))
            spread.add(operation.duration_ms / 1000)


class Meter:
    """A listener of the hub; a few additions for each burst and operation, nothing for each event."""

    def __init__(self) -> None:
        self.metered: dict[UUID, Metered] = {}

    def take(self, event: Event) -> None:
        match event:
            case CaughtUp():
                latency = self._of(event).latency
                for seconds in event.seconds:
                    latency.add(seconds)
            case Progress():
                self._of(event).go_on(event.type, event.counts)
            case Finished():
                self._of(event).end(event)
            case _:
                pass  # what the journal and the keepers tell better

    def _of(self, event: CaughtUp | Progress | Finished) -> Metered:
        return self.metered.setdefault(event.repository.id, Metered())


def _by_name(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in Counts.__slots__}
