"""What the log tells of the engine's work: states, operations and their counts, problems by number."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from treeledger.engine.hub import (
    Committed,
    Event,
    Finished,
    Hub,
    ManyCommitted,
    RepositoryState,
    StateChanged,
)
from treeledger.engine.run import INTERRUPTED
from treeledger.model import JournalEntry, OperationType, Repository, SyncOperation
from treeledger.units import show_number

log = logging.getLogger("treeledger.daemon")
_LEVELS: Final = {
    RepositoryState.OFFLINE: logging.ERROR,
    RepositoryState.DEGRADED: logging.WARNING,
    RepositoryState.HELD: logging.WARNING,
}
_UNSURE: Final = frozenset((RepositoryState.DEGRADED, RepositoryState.STOPPED))
_WORK: Final = {
    OperationType.STARTUP: "startup scan",
    OperationType.RECONCILIATION: "reconciliation",
    OperationType.MANUAL: "manual scan",
    OperationType.SCRUB: "scrub",
    OperationType.REALTIME: "changes",
}
_COUNTED: Final = ("scanned", "added", "updated", "moved", "removed", "hashed")


class Diary:
    """Writes what a hub tells into the log; each change only for those who debug."""

    def __init__(self) -> None:
        self._said: dict[UUID, RepositoryState] = {}

    def listen(self, hub: Hub) -> Callable[[], None]:
        """From now on; the function returned ends it."""
        return hub.listen(self._take)

    @property
    def is_settled(self) -> bool:
        """Whether what was heard is written, as far as was told; else the next start scans."""
        return _UNSURE.isdisjoint(self._said.values())

    def _take(self, event: Event) -> None:
        match event:
            case StateChanged():
                self._state(event)
            case Finished(repository, operation):
                _finished(repository, operation)
            case Committed(repository, entries):
                if log.isEnabledFor(logging.DEBUG):
                    for entry in entries:
                        _say(repository, logging.DEBUG, _change(entry))
            case ManyCommitted(repository, numbers):
                _say(repository, logging.DEBUG, f"{show_number(len(numbers), 'change')} at once")
            case _:
                pass  # progress is no news for a log

    def _state(self, event: StateChanged) -> None:
        before = self._said.get(event.repository.id)
        self._said[event.repository.id] = event.state
        if event.state is RepositoryState.SCANNING:
            _say(event.repository, logging.INFO, "starting to scan")
            return
        again = " again" if event.state is RepositoryState.WATCHING and before in _LEVELS else ""
        message = f"{event.state}{again}" + (f": {event.message}" if event.message else "")
        _say(event.repository, _LEVELS.get(event.state, logging.INFO), message)


def _finished(repository: Repository, operation: SyncOperation) -> None:
    what = _WORK[operation.type]
    if operation.error_message == INTERRUPTED:
        _say(repository, logging.INFO, f"{what} interrupted; what it found so far is recorded")
        return
    if operation.error_message is not None:
        _say(repository, logging.ERROR, f"{what} failed: {operation.error_message}")
        return
    counts = operation.counts
    numbers = " ".join(f"{name}={getattr(counts, f'files_{name}')}" for name in _COUNTED)
    seconds = (operation.duration_ms or 0) / 1000
    level = logging.DEBUG if operation.type is OperationType.REALTIME else logging.INFO
    _say(repository, level, f"{what} completed: {numbers} duration={seconds:.1f}s")
    if counts.problems:
        many = show_number(counts.problems, "file or folder", "files or folders")
        _say(repository, logging.WARNING, f"{what}: {many} could not be read: treeledger problems")


def _change(entry: JournalEntry) -> str:
    path = entry.path if entry.path_before is None else f"{entry.path_before} -> {entry.path}"
    return f"{entry.kind} {path} id={entry.record_id} n={entry.n}"


def _say(repository: Repository, level: int, message: str) -> None:
    log.log(level, "%s", message, extra={"repository": repository.name})
