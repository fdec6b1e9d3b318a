"""Where there is no inotify: watchdog's own observer, whose events only name directories to look into."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from treeledger.errors import RootOffline
from treeledger.ignoring import is_ignore_file
from treeledger.names import os_from_stored, parent, shown, stored_from_bytes
from treeledger.plugins.watchdog_source.file_systems import silent
from treeledger.plugins.watchdog_source.inbox import EVERYTHING, Inbox
from treeledger.plugins.watchdog_source.tree_rules import TreeRules
from treeledger.protocols import EventSource, PartRef, SourceHealth, Watch

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

    from treeledger.model import Observation

_ALIVE: Final = 5.0  # seconds between looks whether the observer's threads live
_LEAVE: Final = 2.0
_READING: Final = ("opened", "closed_no_write")


class ObserverSource(EventSource):
    """FSEvents on macOS, kqueue on BSD: each event is a hint at the directory that holds its path."""

    name = "watchdog"
    debounce = 0.5

    def suits(self, root: str, file_system_type: str) -> str | None:
        return silent(file_system_type)

    @asynccontextmanager
    async def watch(self, root: str, filters: Sequence[PartRef]) -> AsyncIterator[Watch]:
        inbox = Inbox(asyncio.get_running_loop())
        observer = Observer()
        try:
            await anyio.to_thread.run_sync(_start, observer, root, TreeRules(root, filters), inbox)
        except OSError as error:
            raise RootOffline(f"{shown(root)}: {error.strerror}. Nothing was changed") from error
        supervisor = asyncio.create_task(_supervise(observer, inbox))
        try:
            yield ObserverWatch(inbox)
        finally:
            supervisor.cancel()
            inbox.end()
            observer.stop()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(partial(observer.join, _LEAVE))


class ObserverWatch(Watch):
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def observations(self) -> AsyncIterator[Sequence[Observation]]:
        return self._inbox.batches()

    def health(self) -> SourceHealth:
        return SourceHealth()


class _Handler(FileSystemEventHandler):
    def __init__(self, root: str, rules: TreeRules, inbox: Inbox) -> None:
        self._root = os.fsencode(root)
        self._rules = rules
        self._inbox = inbox

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _READING:
            return
        directories = {self._holder(os.fsencode(path)) for path in (event.src_path, event.dest_path) if path}
        kept = [path for path in directories if not self._rules.ignores(path, True)]
        self._inbox.put(dict.fromkeys(kept, EVERYTHING))

    def _holder(self, path: bytes) -> str:
        """The directory that holds a path; the root for what lies outside."""
        relative = path.removeprefix(self._root + b"/")
        if is_ignore_file(stored_from_bytes(relative)):
            self._rules.changed()
        return "" if relative == path else parent(stored_from_bytes(relative))


def _start(observer: BaseObserver, root: str, rules: TreeRules, inbox: Inbox) -> None:
    real = os.path.realpath(os_from_stored(root))
    observer.schedule(_Handler(real, rules, inbox), real, recursive=True)
    observer.start()


async def _supervise(observer: BaseObserver, inbox: Inbox) -> None:
    """Ends the inbox with an error once a thread of the observer is dead."""
    while all(thread.is_alive() for thread in (observer, *observer.emitters)):  # noqa: ASYNC110
        await anyio.sleep(_ALIVE)
    inbox.put({"": EVERYTHING})
    inbox.end(OSError("a thread of the event source died"))
