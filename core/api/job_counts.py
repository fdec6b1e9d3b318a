"""How many jobs there are, counted again for a small share of the time only, however often that is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final

import anyio

from treeledger.protocols import JobCount

_SHARE: Final = 20  # times as long as counting took, the counts are good for
_LONGEST: Final = 10.0  # seconds that they are, at most: as long as a dashboard looks at nothing else


class JobCounts:
    """Has jobs counted, which takes as long as there are many: a backlog of half a million some 40 ms in
    SQLite, and four times that in PostgreSQL. `clock` is in seconds."""

    def __init__(
        self, count: Callable[[], Awaitable[Sequence[JobCount]]], clock: Callable[[], float] = monotonic
    ) -> None:
        self._count = count
        self._clock = clock
        self._counted: Sequence[JobCount] = ()
        self._until = -1.0  # they are good
        self._words = 0  # of persons
        self._lock = anyio.Lock()

    async def now(self) -> Sequence[JobCount]:
        """As many as there are, or were a moment ago. Raises StoreUnavailable."""
        async with self._lock:
            begun, words = self._clock(), self._words
            if begun >= self._until:
                self._counted = await self._count()
                ended = self._clock()
                good_for = min(_SHARE * (ended - begun), _LONGEST)
                self._until = ended + good_for if words == self._words else -1.0
            return self._counted

    def forget(self) -> None:
        """After a person's word about jobs: who asks next sees what became of it."""
        self._words += 1
        self._until = -1.0
