"""An alarm clock for one sleeper."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

import anyio


class Alarm:
    """Wakes the sleeper at every time that was set; also if that came while it was awake."""

    def __init__(self) -> None:
        self._changed = anyio.Event()
        self._times: list[float] = []

    def set(self, seconds: float) -> None:
        """Lets `wait` return once, when so many seconds are over."""
        heappush(self._times, anyio.current_time() + seconds)
        self._changed.set()

    async def wait(self, longest: float) -> None:
        """Returns at the first time that was set, or after `longest` seconds."""
        end = anyio.current_time() + longest
        while (until := min(self._times[0] if self._times else inf, end)) > anyio.current_time():
            self._changed = anyio.Event()
            with anyio.move_on_after(until - anyio.current_time()):
                await self._changed.wait()
        while self._times and self._times[0] <= anyio.current_time():
            heappop(self._times)
