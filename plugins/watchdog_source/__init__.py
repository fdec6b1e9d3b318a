"""The event source `watchdog`: inotify on Linux, elsewhere whatever watchdog's observer knows."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from treeledger.hookspecs import impl
from treeledger.plugins.watchdog_source.file_systems import silent
from treeledger.plugins.watchdog_source.inbox import LIMIT, Inbox
from treeledger.protocols import EventSource, PartRef, SourceHealth, Watch

if TYPE_CHECKING:
    from treeledger.config.tables import PluginTables
    from treeledger.model import Observation
    from treeledger.plugins.watchdog_source.reader import Reader

_LEAVE: Final = 2.0  # seconds a thread is waited for that hangs in a system call


class WatchdogSource(EventSource):
    """Hears every change that passes this kernel, with one inotify watch for each directory.

    `retry_after`: seconds between attempts to watch what could not be watched; `waiting`: how many
    observations may wait before they collapse into subtrees.
    """

    name = "watchdog"
    debounce = 0.5

    def __init__(self, retry_after: float = 60.0, waiting: int = LIMIT) -> None:
        self._retry_after = retry_after
        self._waiting = waiting

    def suits(self, root: str, file_system_type: str) -> str | None:
        return silent(file_system_type)

    @asynccontextmanager
    async def watch(self, root: str, filters: Sequence[PartRef]) -> AsyncIterator[Watch]:
        """Arms the whole tree before it is entered. Raises RootOffline, or OSError if inotify has no room."""
        from treeledger.plugins.watchdog_source.reader import Reader

        inbox = Inbox(asyncio.get_running_loop(), self._waiting)
        try:
            reader = Reader(root, filters, inbox, self._retry_after)
        except OSError as error:
            raise OSError(error.errno, _no_instance(error)) from error
        reader.start()
        try:
            await anyio.to_thread.run_sync(reader.armed.wait, abandon_on_cancel=True)
            inbox.check()
            yield InotifyWatch(reader, inbox)
        finally:
            reader.stop()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(partial(reader.join, _LEAVE))


class InotifyWatch(Watch):
    def __init__(self, reader: Reader, inbox: Inbox) -> None:
        self._reader = reader
        self._inbox = inbox

    def observations(self) -> AsyncIterator[Sequence[Observation]]:
        return self._inbox.batches()

    def health(self) -> SourceHealth:
        return self._reader.health()


def _no_instance(error: OSError) -> str:
    if error.errno == errno.EMFILE:
        return "no inotify instance is free; raise fs.inotify.max_user_instances with sysctl"
    return str(error)


@impl
def event_sources(tables: PluginTables) -> Sequence[EventSource]:
    if sys.platform == "linux":
        return (WatchdogSource(),)
    from treeledger.plugins.watchdog_source.observer import ObserverSource

    return (ObserverSource(),)
