"""The event source `polling`: it hears nothing and has the whole tree looked at again and again.

It keeps no snapshot in memory: the scans it asks for compare the tree with the records.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final

import anyio

from treeledger.config.settings import Duration, Rule, Section
from treeledger.hookspecs import impl
from treeledger.model import Observation
from treeledger.protocols import EventSource, PartRef, SourceHealth, Watch

if TYPE_CHECKING:
    from treeledger.config.tables import PluginTables

_EVERYTHING: Final = (Observation("", subtree=True, at_once=True),)
_REST: Final = 10  # times the duration of a scan before the next one


def _check_interval(seconds: float) -> None:
    if seconds < 1:
        raise ValueError("must be one second at least")


class PollingOptions(Section, frozen=True, kw_only=True):
    """The keys of `[plugins.polling]`."""

    interval: Annotated[Duration, Rule(_check_interval)] = Duration(30)


class PollingSource(EventSource):
    """Suits every root. `interval` in seconds; between two scans lies ten times the duration of one."""

    name = "polling"
    debounce = 3.0

    def __init__(self, interval: float) -> None:
        self.interval = interval

    def suits(self, root: str, file_system_type: str) -> str | None:
        return None

    @asynccontextmanager
    async def watch(self, root: str, filters: Sequence[PartRef]) -> AsyncIterator[Watch]:
        watch = PollingWatch(self.interval)
        try:
            yield watch
        finally:
            watch.close()


class PollingWatch(Watch):
    """Reports everything when the interval is over, once for each scan, and not before the rest after it."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due = time.monotonic() + interval
        self._asked = False
        self._changed = anyio.Event()
        self._closed = False

    async def observations(self) -> AsyncIterator[Sequence[Observation]]:
        while not self._closed:
            wait = self._due - time.monotonic()
            if self._asked or wait > 0:
                with anyio.move_on_after(None if self._asked else wait):
                    await self._changed.wait()
                    self._changed = anyio.Event()
                continue
            self._asked = True
            self._due = time.monotonic() + self._interval
            yield _EVERYTHING

    def scanned(self, seconds: float) -> None:
        self._asked = False
        self._due = max(self._due, time.monotonic() + _REST * seconds)
        self._changed.set()

    def health(self) -> SourceHealth:
        return SourceHealth()

    def close(self) -> None:
        """Ends the observations."""
        self._closed = True
        self._changed.set()


@impl(trylast=True)
def event_sources(tables: PluginTables) -> Sequence[EventSource]:
    return (PollingSource(tables.options("polling", PollingOptions).interval),)
