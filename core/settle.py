"""Settling: when a path that something happened to is worth looking at.

Pure: time is given, never asked for. What is over (closed after writing, moved, removed) is looked
at immediately, unless the path was looked at within the debounce interval; the rest waits until the
path was quiet for that long. A path that stays busy is looked at nevertheless, at intervals that
double, up to ten times what its last hashing took, five minutes at most; once its hashing takes a
while, it is not looked at sooner either, closed or quiet as it may be.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from treeledger.dirty import collapse
from treeledger.model import Observation

LONGEST_WAIT: Final = 300.0
_REMEMBERED: Final = 10_000
_COLLAPSED: Final = 100


@dataclass(slots=True)
class _Pending:
    observation: Observation
    first: float
    due: float


@dataclass(slots=True)
class _Looked:
    at: float
    patience: float  # how long what goes on may put off the next look
    wait: float = 0.0  # before the next look, whatever comes


class Settle:
    """Collects observations and gives back the paths that are due. Times in seconds, of any one clock.

    `limit` is how many paths may wait; beyond it they collapse into a few dirty subtrees.
    """

    def __init__(self, debounce: float, limit: int = 50_000) -> None:
        self._debounce = debounce
        self._limit = limit
        self._pending: dict[str, _Pending] = {}
        self._heap: list[tuple[float, str]] = []
        self._looked: OrderedDict[str, _Looked] = OrderedDict()
        self._costs: OrderedDict[str, float] = OrderedDict()
        self.heard: list[float] = []  # of what `due` gave last, in its order: when each was observed first

    def __len__(self) -> int:
        return len(self._pending)

    def hint(self, path: str) -> bool | None:
        """Whether the content of a path that waits may have been written; None if it does not wait."""
        pending = self._pending.get(path)
        return None if pending is None else pending.observation.written

    def observe(self, observations: Iterable[Observation], now: float) -> None:
        """Takes what a source saw at `now`."""
        for observation in observations:
            self._observe(observation, now)
        if len(self._pending) > self._limit:
            self._collapse(now)

    def _observe(self, new: Observation, now: float) -> None:
        pending = self._pending.get(new.path)
        if pending is None:
            pending = self._pending[new.path] = _Pending(new, now, now)
        else:
            old = pending.observation
            pending.observation = Observation(
                new.path,
                old.subtree or new.subtree,
                old.at_once or new.at_once,
                old.written or new.written,
                new.source or old.source,
            )
        pending.due = self._due(pending, new, now)
        heapq.heappush(self._heap, (pending.due, new.path))

    def _due(self, pending: _Pending, new: Observation, now: float) -> float:
        looked = self._looked.get(new.path)
        is_quiet = looked is None or now - looked.at >= self._debounce
        earliest = now if looked is None or _is_move(new) else looked.at + looked.wait
        if new.at_once and is_quiet:
            return max(now, earliest)
        patience = 2 * self._debounce if looked is None else looked.patience
        return max(earliest, min(now + self._debounce, pending.first + patience))

    def next_due(self) -> float | None:
        """When the next path is due; None if nothing waits."""
        while self._heap:
            due, path = self._heap[0]
            pending = self._pending.get(path)
            if pending is not None and pending.due == due:
                return due
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> list[Observation]:
        """Takes out what is due; with a move or a loss all others that wait, as they may be its other end."""
        ready: list[Observation] = []
        self.heard = []
        while (first := self.next_due()) is not None and first <= now:
            _, path = heapq.heappop(self._heap)
            ready.append(self._take(path, now))
        if any(_is_move(observation) for observation in ready):
            waiting = [path for path, pending in self._pending.items() if _is_move(pending.observation)]
            ready += [self._take(path, now) for path in waiting]
        return ready

    def _take(self, path: str, now: float) -> Observation:
        self._remember(path, now)
        pending = self._pending.pop(path)
        self.heard.append(pending.first)
        return pending.observation

    def _remember(self, path: str, now: float) -> None:
        looked = self._looked.pop(path, None)
        patience, wait = 2 * self._debounce, 0.0
        if looked is not None:
            longest = min(LONGEST_WAIT, 10 * self._costs.get(path, 0.0))
            since = now - looked.at
            if since < 2 * max(looked.patience, self._debounce):
                patience = max(patience, min(2 * looked.patience, longest))
            if since < 2 * longest:
                wait = min(max(2 * looked.wait, self._debounce), longest)
        self._looked[path] = _Looked(now, patience, wait)
        if len(self._looked) > _REMEMBERED:
            self._looked.popitem(last=False)

    def hashed(self, path: str, seconds: float) -> None:
        """Notes what the last hashing of a path took."""
        if seconds > self._debounce / 10:
            self._costs[path] = seconds
            self._costs.move_to_end(path)
            if len(self._costs) > _REMEMBERED:
                self._costs.popitem(last=False)

    def _collapse(self, now: float) -> None:
        prefixes = [
            pending.observation.path if pending.observation.subtree else path.rpartition("/")[0]
            for path, pending in self._pending.items()
        ]
        self._pending.clear()
        self._heap.clear()
        for prefix in collapse(prefixes, _COLLAPSED):
            self._observe(Observation(prefix, subtree=True), now)


def _is_move(observation: Observation) -> bool:
    """Whether it is of a path that something came to or left, not of content: a look costs little."""
    return observation.at_once and not observation.written
