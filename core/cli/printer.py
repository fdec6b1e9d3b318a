"""What `treeledger watch` prints: the journal as it grows, progress, states."""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Final
from uuid import UUID

import anyio

from treeledger.cli.options import Options
from treeledger.cli.outlet import Outlet
from treeledger.cli.progress import ScanBar
from treeledger.cli.render import entry_line, has_colour, json_line, tell
from treeledger.engine.hub import (
    AttentionChanged,
    Committed,
    Event,
    Finished,
    ManyCommitted,
    Progress,
    RepositoryState,
    StateChanged,
)
from treeledger.engine.patience import patiently
from treeledger.errors import CursorExpired
from treeledger.journal import Reader, Since
from treeledger.ledger import Ledger
from treeledger.model import ChangeKind, Holder, JournalEntry, OperationType, Repository, SyncOperation
from treeledger.names import shown
from treeledger.units import show_count, show_duration, show_number, show_size

_SILENT: Final = frozenset((ChangeKind.MISSING,))  # becomes "removed", or comes back
_MOST_LINES: Final = 200  # of what came at once; the rest is counted
_BREATH: Final = 0.25  # seconds after so many, which nobody reads faster
_WARNINGS: Final = frozenset((RepositoryState.OFFLINE, RepositoryState.DEGRADED, RepositoryState.HELD))
_UNSURE: Final = frozenset((RepositoryState.DEGRADED, RepositoryState.STOPPED))  # what was heard may wait
_LEFT: Final = frozenset((RepositoryState.PAUSED, RepositoryState.STOPPED))  # by another process' word


@dataclass(slots=True)
class _News:
    """What the hub told of one repository's journal."""

    newest: int = 0
    counted: int = 0  # up to there no line is printed: a summary, or a number of lines left out, has it
    untold: int = 0  # entries that are neither printed nor counted

    def leave_out(self) -> int:
        """Prints no line of what was heard until now; returns of how many entries."""
        self.counted, untold, self.untold = self.newest, self.untold, 0
        return untold


class Printer:
    """Prints the journal as it grows, and what the hub tells: progress while scanning, states.

    The engine waits for none of it. `unheard` is set, and `failure` says why, once nothing can be
    printed any more: a pipe's reader has gone.
    """

    def __init__(
        self, outlet: Outlet, ledger: Ledger, options: Options, repositories: Sequence[Repository]
    ) -> None:
        self._outlet = outlet
        self._ledger = ledger
        self._options = options
        self._repositories = {repository.id: repository for repository in repositories}
        self._colour = has_colour()
        self._bars: dict[UUID, ScanBar] = {}
        self._scanning: set[UUID] = set()
        self._news: dict[UUID, _News] = defaultdict(_News)
        self._says: dict[UUID, RepositoryState] = {}
        self._epoch = ""
        self._has_greeted = anyio.Event()
        self.through: Holder | None = None  # the engine of another process that is watched along with
        self.unheard = anyio.Event()
        self.failure: OSError | None = None
        outlet.on_failure(self._fail)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        self.unheard.set()

    def greet(self, through: Holder | None) -> None:
        """Says what is watched, and by which other process' engine; again if that is another now."""
        is_first = not self._has_greeted.is_set()
        self._has_greeted.set()
        before, self.through = self.through, through
        if self._options.quiet or self._options.json:
            return
        if is_first:
            for repository in self._repositories.values():
                self._note(f"{shown(repository.name)}: watching {shown(repository.root)}")
            self._note(f"ledger: {self._ledger.store.url}   (Ctrl-C ends; nothing is lost by it)")
        if through is not None:
            self._note(f"through {_engine_of(through)}, which goes on when this ends")
        elif before is not None:
            self._note(f"{_engine_of(before)} has ended; watching from here now")

    def bid_farewell(self) -> None:
        self.close()
        if not (self._options.quiet or self._options.json):
            if self.through is not None:
                self._note(f"stopped; {_engine_of(self.through)} goes on")
                return
            is_sure = _UNSURE.isdisjoint(self._says.values())
            self._note("stopped; everything settled is written" if is_sure else "stopped")

    # the journal

    async def follow(self, reader: Reader) -> None:
        """Prints what comes, as fast as it is read; the journal keeps the rest."""
        self._epoch = reader.head.epoch
        await self._has_greeted.wait()
        with suppress(OSError):  # `unheard` is set
            while True:
                try:
                    await (self._follow_all(reader) if self._options.json else self._follow_some(reader))
                except CursorExpired as error:
                    reader.head = await patiently(self._ledger.store.head, None)
                    self._epoch = reader.head.epoch
                    self._warn(f"some changes are not shown: {error}")

    async def _follow_all(self, reader: Reader) -> None:
        async for entries in reader.follow():
            await self._print(entries)

    async def _follow_some(self, reader: Reader) -> None:
        """Reads no more of what comes than is printed: a person does not read 100,000 lines."""
        while True:
            after = await reader.advance()
            entries = await _first(reader, after.n, _MOST_LINES + 1)
            if len(entries) <= _MOST_LINES:
                await self._print(entries)
                continue
            for repository in list(self._repositories.values()):
                news = self._news[repository.id]
                one = replace(reader, repository_id=repository.id)
                await self._print(await _first(one, max(after.n, news.counted), _MOST_LINES))
                if left_out := news.leave_out():
                    self._note(f"          ... and {show_count(left_out)} more: treeledger changes")
            await anyio.sleep(_BREATH)

    async def _print(self, entries: Sequence[JournalEntry]) -> None:
        by_id = itertools.groupby(entries, attrgetter("repository_id"))
        for repository, group in ((self._repositories.get(id), list(group)) for id, group in by_id):
            if repository is not None and (lines := self._lines(repository, group)):
                await self._outlet.print(partial(_print_lines, lines))

    def _lines(self, repository: Repository, entries: list[JournalEntry]) -> list[str]:
        entries = [entry for entry in entries if entry.kind not in _SILENT]
        if self._options.json:
            from treeledger.wire import Change

            told = [Change.of(entry, repository.name, self._epoch) for entry in entries]
            return [json_line(change.fields()) for change in told]
        news = self._news[repository.id]
        entries = [entry for entry in entries if entry.n > news.counted]
        news.untold = max(0, news.untold - len(entries))
        name = shown(repository.name) if len(self._repositories) > 1 else None
        return [entry_line(entry, repository=name, colour=self._colour) for entry in entries]

    # what the hub tells

    def take(self, event: Event) -> None:
        if isinstance(event, AttentionChanged):
            return
        self._repositories[event.repository.id] = event.repository
        match event:
            case Committed(repository, entries):
                self._heard(repository, entries[-1].n, sum(entry.kind not in _SILENT for entry in entries))
            case ManyCommitted(repository, numbers):
                self._heard(repository, numbers[-1], len(numbers))
            case Progress():
                self._progress(event)
            case Finished(repository, operation):
                self._finished(repository, operation)
            case StateChanged():
                self._state(event)

    def _heard(self, repository: Repository, newest: int, count: int) -> None:
        news = self._news[repository.id]
        news.newest = newest
        news.untold += count
        if repository.id in self._scanning:
            news.leave_out()

    def close(self) -> None:
        for id in list(self._bars):
            self._close_bar(id)

    def forget_states(self) -> None:
        """Of an engine that has ended."""
        self.close()
        self._says.clear()

    def _progress(self, progress: Progress) -> None:
        bar = self._bars.get(progress.repository.id)
        if bar is not None and self._outlet.is_idle:
            self._outlet.put(partial(bar.show, replace(progress.counts)))

    def _finished(self, repository: Repository, operation: SyncOperation) -> None:
        if operation.type is OperationType.REALTIME or self._options.quiet or self._options.json:
            return
        self._close_bar(repository.id)
        if operation.error_message is not None:
            return  # the state that follows says it
        self._note(f"{shown(repository.name)}: {_summary(operation)}")

    def _state(self, event: StateChanged) -> None:
        id = event.repository.id
        if event.state is RepositoryState.SCANNING:
            self._open_bar(event.repository)
        else:
            self._close_bar(id)
        if event.state in _WARNINGS or event.state in _LEFT:
            self._warn(f"{event.repository.name} is {event.state}: {event.message}")
        elif event.state is RepositoryState.WATCHING and not (self._options.quiet or self._options.json):
            again = " again" if self._says.get(id) in _WARNINGS else ""
            self._note(f"{shown(event.repository.name)}: watching{again}, {event.message}")
        self._says[id] = event.state

    def _open_bar(self, repository: Repository) -> None:
        self._scanning.add(repository.id)
        only_one = not self._bars
        hidden = self._options.quiet or self._options.json or not only_one
        bar = self._bars[repository.id] = ScanBar(repository, hidden=hidden)
        self._outlet.put(bar.open)

    def _close_bar(self, id: UUID) -> None:
        self._scanning.discard(id)
        bar = self._bars.pop(id, None)
        if bar is not None:
            self._outlet.put(bar.close)

    def _note(self, text: str) -> None:
        self._outlet.put(partial(print, text, flush=True))

    def _warn(self, text: str) -> None:
        self._outlet.put(partial(tell, text))


async def _first(reader: Reader, after: int, count: int) -> list[JournalEntry]:
    pages = reader.pages(Since(after), count)
    return [entry async for page in pages for entry in page]


def _engine_of(holder: Holder) -> str:
    return f"treeledger {holder.command} (process {holder.pid})"


def _print_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _summary(operation: SyncOperation) -> str:
    counts = operation.counts
    seconds = (operation.duration_ms or 0) / 1000
    rate = f", {show_count(round(counts.files_scanned / seconds))} files/s" if seconds > 0.05 else ""
    changed = [
        f"{show_count(number)} {word}"
        for number, word in (
            (counts.files_added, "added"),
            (counts.files_updated, "modified"),
            (counts.files_moved, "moved"),
            (counts.files_removed, "removed"),
            (counts.problems, "could not be read: treeledger problems"),
        )
        if number
    ]
    hashed = f", {show_size(counts.bytes_hashed)} hashed" if counts.bytes_hashed else ""
    return (
        f"{show_number(counts.files_scanned, 'file')} in {show_duration(seconds)}{rate}{hashed};"
        f" {', '.join(changed) or 'nothing changed'}"
    )
