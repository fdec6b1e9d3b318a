"""Event sources: what they say of themselves, and how they are listened to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from treeledger.model import (
    Observation,
)
from treeledger.protocols.parts import PartRef


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How well a watch hears. `degraded` says in words what it does not hear, `unwatched` where.

    `unwatched` may also name what needs no alarm, such as a network file system mounted in the tree.
    Counted since the watch was armed: `events` heard, `ignored` of them (or of what they named), and
    `overflows` of the system's queue.
    """

    watches: int = 0
    needed: int = 0
    limit: int | None = None
    last_event: datetime | None = None
    degraded: str | None = None
    unwatched: tuple[str, ...] = ()
    events: int = 0
    ignored: int = 0
    overflows: int = 0


@runtime_checkable
class Watch(Protocol):
    """An armed event source: what happens from now on will be reported."""

    def observations(self) -> AsyncIterator[Sequence[Observation]]:
        """Batches of hints, until the watch is closed. Raises OSError, or RootOffline, if the source died.

        Whatever the source may have lost is reported as a subtree.
        """

    def health(self) -> SourceHealth: ...

    def scanned(self, seconds: float) -> None:
        """The engine ended a scan of the whole tree that took so many seconds.

        A source that asks for scans leaves time between them, and asks for no second one before that.
        Does nothing for a source that inherits from this protocol and does not say otherwise.
        """
        return


@runtime_checkable
class EventSource(Protocol):
    name: str
    debounce: float  # default settle time of this source, in seconds

    def suits(self, root: str, file_system_type: str) -> str | None:
        """None if the source can hear changes under this root, else the reason why not."""

    def watch(self, root: str, filters: Sequence[PartRef]) -> AbstractAsyncContextManager[Watch]:
        """Arms the source on an absolute root (stored form); directories ignored by a filter take no watch.

        Once entered, everything that happens from then on will be reported, and a change of an ignore
        file even if it is ignored itself. Entering raises RootOffline, or OSError if the source has no room.
        """
