"""What the engine tells those who look on: values, handed to plain callbacks in the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from treeledger.model import Counts, JournalEntry, OperationType, Repository, SyncOperation


class RepositoryState(StrEnum):
    WATCHING = "watching"
    SCANNING = "scanning"
    PAUSED = "paused"
    DEGRADED = "degraded"
    HELD = "held"
    OFFLINE = "offline"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Committed:
    """Journal entries that have just been committed."""

    repository: Repository
    entries: Sequence[JournalEntry]


@dataclass(frozen=True, slots=True)
class ManyCommitted:
    """Many entries were just committed at once, of new files or of a renamed directory: their `numbers`.

    Whoever wants the entries themselves reads them.
    """

    repository: Repository
    numbers: range


@dataclass(frozen=True, slots=True)
class Began:
    """An operation has begun; a burst's once something happened."""

    repository: Repository
    operation: SyncOperation


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is. `listed` counts files seen, `expected` what the ledger held before."""

    repository: Repository
    type: OperationType
    counts: Counts
    expected: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """An operation has ended."""

    repository: Repository
    operation: SyncOperation


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What was heard of some files is on record now: for each, `seconds` after it was first heard of."""

    repository: Repository
    seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A repository is in another state now; `message` says why and what to do, for people."""

    repository: Repository
    state: RepositoryState
    message: str


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """How a watch is: what the ledger shows of `Repository.health`."""

    repository: Repository
    health: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttentionChanged:
    """What waits for a person is other things now, so many of them."""

    waiting: int


Event = (
    Committed
    | ManyCommitted
    | Began
    | Progress
    | Finished
    | CaughtUp
    | StateChanged
    | HealthChanged
    | AttentionChanged
)
Listener = Callable[[Event], None]


class Hub:
    """Passes events on. A listener must return at once; one that raises is a bug and stops the engine."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Adds a listener; the function returned removes it again."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            listener(event)
