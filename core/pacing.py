"""A pace: so many bytes a second for all readers together, evenly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_SLICE: Final = 0.1  # seconds of the rate that are given out at once


class Pace:
    """A token bucket of a tenth of a second, filled at `rate` bytes a second; any thread may draw from it.

    It is full at the beginning. Who draws sleeps in its own thread until its turn, the lock not held.
    What is drawn from one that is `within` another is drawn from that, too.
    """

    def __init__(
        self,
        rate: float,
        *,
        within: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate: float = rate if within is None else min(rate, within.rate)
        self._within = within
        self._slice = max(1, int(self.rate * _SLICE))
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_until = clock() - _SLICE  # by when all that was given out is earned

    def __call__(self, wanted: int) -> int:
        """Waits, then says how many of the wanted bytes may be read now: at least one."""
        given = min(wanted, self._slice)
        if self._within is not None:
            given = self._within(given)
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - _SLICE) + given / self.rate
            wait = self._paid_until - now
        if wait > 0:
            self._sleep(wait)
        return given
