"""`treeledger watch`: the main job in the foreground, one short line per change, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

import anyio

from treeledger.cli.options import Options
from treeledger.cli.progress import ScanBar
from treeledger.cli.render import entry_json, entry_line, has_colour, print_json, tell
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import targets
from treeledger.engine.hub import Committed, Event, Finished, Progress, RepositoryState, StateChanged
from treeledger.ledger import Ledger
from treeledger.model import ChangeKind, JournalEntry, OperationType, Repository, SyncOperation
from treeledger.names import shown
from treeledger.units import show_count, show_duration, show_number, show_size

_SILENT: Final = frozenset((ChangeKind.MISSING,))  # becomes "removed", or comes back
_MOST_LINES: Final = 200  # of one batch; the rest is counted
_WARNINGS: Final = frozenset((RepositoryState.OFFLINE, RepositoryState.DEGRADED, RepositoryState.HELD))
_LEFT: Final = frozenset((RepositoryState.PAUSED, RepositoryState.STOPPED))  # by another process' word


def run(options: Options) -> int:
    try:
        return with_ledger(options, _watch)
    except KeyboardInterrupt:  # before it began, or a second one while it ends
        return 0


async def _watch(ledger: Ledger, options: Options) -> int:
    found = await targets(ledger, options)
    only = [target.repository.id for target in found] if options.given.targets else None
    printer = _Printer(ledger, options, [target.repository for target in found])
    stop = ledger.hub.listen(printer.take)
    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with ledger.started(only, command="watch"):
                printer.greet()
                await _first_of(signals, printer.unheard)
    finally:
        stop()
        printer.close()
    if printer.failure is not None:
        raise printer.failure
    printer.bid_farewell()
    return 0


async def _first_of(signals: AsyncIterator[signal.Signals], event: anyio.Event) -> None:
    """Until a signal arrives or the event is set."""

    async def wait_for_signal() -> None:
        await anext(signals)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait_for_signal)
        await event.wait()
        tasks.cancel_scope.cancel()


class _Printer:
    """Prints what the hub tells: progress while scanning, then one line per change.

    `unheard` is set, and `failure` says why, once it can print no more: a pipe's reader has gone.
    """

    def __init__(self, ledger: Ledger, options: Options, repositories: Sequence[Repository]) -> None:
        self._ledger = ledger
        self._options = options
        self._repositories = repositories
        self._several = len(repositories) > 1
        self._colour = has_colour()
        self._bars: dict[UUID, ScanBar] = {}
        self._scanning: set[UUID] = set()
        self._says: dict[UUID, RepositoryState] = {}
        self.unheard = anyio.Event()
        self.failure: OSError | None = None

    def greet(self) -> None:
        if self._options.quiet or self._options.json:
            return
        for repository in self._repositories:
            self._note(f"{shown(repository.name)}: watching {shown(repository.root)}")
        self._note(f"ledger: {self._ledger.store.url}   (Ctrl-C ends; nothing is lost by it)")

    def take(self, event: Event) -> None:
        try:
            self._take(event)
        except OSError as error:
            self.failure = error
            self.unheard.set()

    def _take(self, event: Event) -> None:
        match event:
            case Committed(repository, entries):
                self._committed(repository, [entry for entry in entries if entry.kind not in _SILENT])
            case Progress():
                self._progress(event)
            case Finished(repository, operation):
                self._finished(repository, operation)
            case StateChanged():
                self._state(event)

    def close(self) -> None:
        for id in list(self._bars):
            self._close_bar(id)

    def bid_farewell(self) -> None:
        if not (self._options.quiet or self._options.json):
            self._note("stopped; everything settled is written")

    def _committed(self, repository: Repository, entries: list[JournalEntry]) -> None:
        if self._options.json:
            for entry in entries:
                print_json(entry_json(entry, repository))
            sys.stdout.flush()
            return
        if repository.id in self._scanning:
            return  # the summary counts them; `treeledger changes` lists them
        name = shown(repository.name) if self._several else None
        for entry in entries[:_MOST_LINES]:
            print(entry_line(entry, repository=name, colour=self._colour))
        if len(entries) > _MOST_LINES:
            print(f"          ... and {show_count(len(entries) - _MOST_LINES)} more: treeledger changes")
        sys.stdout.flush()

    def _progress(self, progress: Progress) -> None:
        bar = self._bars.get(progress.repository.id)
        if bar is not None:
            bar.show(progress.counts)

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
            tell(f"{event.repository.name} is {event.state}: {event.message}")
        elif event.state is RepositoryState.WATCHING and not (self._options.quiet or self._options.json):
            again = " again" if self._says.get(id) in _WARNINGS else ""
            self._note(f"{shown(event.repository.name)}: watching{again}, {event.message}")
        self._says[id] = event.state

    def _open_bar(self, repository: Repository) -> None:
        self._scanning.add(repository.id)
        only_one = not self._bars
        hidden = self._options.quiet or self._options.json or not only_one
        self._bars[repository.id] = ScanBar(repository, hidden=hidden).__enter__()

    def _close_bar(self, id: UUID) -> None:
        self._scanning.discard(id)
        bar = self._bars.pop(id, None)
        if bar is not None:
            bar.__exit__(None, None, None)

    def _note(self, text: str) -> None:
        print(text, flush=True)


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
