"""What the dashboard knows, as frozen values, and how news change it.

Pure: `reduced(snapshot, news)` is the snapshot that the news make of another. Whatever comes, however fast
and long, a snapshot stays small: it has a feed of `MOST_CHANGES`, a history of `MOST_OPERATIONS`, windows of
`SECONDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import msgspec

from treeledger import wire
from treeledger.answers import Status
from treeledger.client import Happened
from treeledger.wire_events import Health, Progress, State

K = TypeVar("K")
V = TypeVar("V")
MOST_CHANGES: Final = 500
MOST_OPERATIONS: Final = 200
SECONDS: Final = 120  # that a window looks back
_LATELY: Final = 3  # seconds over which a rate is taken


class Link(StrEnum):
    """How the engine is reached."""

    SOUGHT = "sought"
    HERE = "here"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in each of the last seconds, oldest first; `end` is the second of the last value."""

    values: tuple[float, ...] = ()
    end: int = 0

    def added(self, second: int, amount: float) -> Window:
        """With so much more in that second; what is older than the window is let go."""
        if not self.values:
            return Window((amount,), second)
        ahead = second - self.end
        if ahead > 0:
            values = (*self.values, *(0.0,) * min(ahead - 1, SECONDS), amount)[-SECONDS:]
            return Window(values, second)
        place = len(self.values) - 1 + ahead
        if place < 0:
            return self
        return Window(
            (*self.values[:place], self.values[place] + amount, *self.values[place + 1 :]), self.end
        )

    def until(self, second: int) -> Window:
        """Up to that second, in which nothing was counted yet."""
        return self.added(second, 0.0) if self.values and second > self.end else self

    @property
    def rate(self) -> float:
        """A second, lately; the running second is not over, and counts only if it is alone."""
        complete = self.values[-1 - _LATELY : -1] or self.values
        return sum(complete) / len(complete) if complete else 0.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What went on in a repository: changes, and bytes hashed."""

    changes: Window = Window()
    hashed: Window = Window()


Running = tuple[str, str]
"""A repository and a type of operation, of which one runs at a time."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the dashboard shows at one moment. `changes` and `operations` have the newest first;
    `problems` is None where there are more than anybody counts."""

    link: Link = Link.SOUGHT
    message: str = ""
    status: Status | None = None
    repositories: tuple[wire.Repository, ...] = ()
    running: Mapping[Running, Progress] = field(default_factory=lambda: MappingProxyType({}))
    operations: tuple[wire.Operation, ...] = ()
    changes: tuple[wire.Change, ...] = ()
    head: int = 0
    waiting: tuple[wire.Waiting, ...] = ()
    problems: int | None = 0
    activity: Mapping[str, Activity] = field(default_factory=lambda: MappingProxyType({}))

    def repository(self, name: str | None) -> wire.Repository | None:
        return next((one for one in self.repositories if one.name == name), None)

    def progress(self, name: str) -> tuple[Progress, ...]:
        """Of the operations that run in a repository, bursts last."""
        found = [one for (repository, _), one in self.running.items() if repository == name]
        return tuple(sorted(found, key=lambda one: (one.type == "realtime", one.type)))

    @property
    def decisions(self) -> int:
        """How much waits for a person's decision; the rest waits for repair."""
        return sum(one.kind == "held" for one in self.waiting)


class Looked(NamedTuple):
    """The state of all, as it was asked for."""

    status: Status
    repositories: Sequence[wire.Repository]
    waiting: Sequence[wire.Waiting]
    problems: int | None


class History(NamedTuple):
    """The operations, newest first, as far as they were asked for."""

    operations: Sequence[wire.Operation]


class Journal(NamedTuple):
    """Entries of the journal in order, as they came in that second. `is_afresh`: nothing is known of what was
    between those shown and these."""

    changes: Sequence[wire.Change]
    second: int
    is_afresh: bool = False


class Told(NamedTuple):
    """Events of the engine in order, as they came in that second."""

    events: Sequence[Happened]
    second: int


class Away(NamedTuple):
    """The engine does not answer; `message` says why, and what is safe."""

    message: str


class Second(NamedTuple):
    """That second has begun."""

    second: int


News = Looked | History | Journal | Told | Away | Second


def reduced(snapshot: Snapshot, news: News) -> Snapshot:
    """The snapshot after the news."""
    match news:
        case Looked():
            return _looked(snapshot, news)
        case History(operations):
            return replace(snapshot, operations=_newest(operations, snapshot.operations))
        case Journal():
            return _journal(snapshot, news)
        case Told(events, second):
            for event in events:
                snapshot = _told(snapshot, event, second)
            return snapshot
        case Away(message):
            return replace(snapshot, link=Link.AWAY, message=message, running=MappingProxyType({}))
        case Second(second):
            return replace(snapshot, activity=_until(snapshot.activity, second))


def _looked(snapshot: Snapshot, looked: Looked) -> Snapshot:
    names = {one.name for one in looked.repositories}
    return replace(
        snapshot,
        link=Link.HERE,
        message="",
        status=looked.status,
        repositories=tuple(looked.repositories),
        waiting=tuple(looked.waiting),
        problems=looked.problems,
        running=_only(snapshot.running, (key for key in snapshot.running if key[0] in names)),
        activity=_only(snapshot.activity, (name for name in snapshot.activity if name in names)),
    )


def _newest(some: Iterable[wire.Operation], others: Iterable[wire.Operation]) -> tuple[wire.Operation, ...]:
    """Both together, each operation once: as `some` have it."""
    by_id = {one.id: one for one in others} | {one.id: one for one in some}
    return tuple(sorted(by_id.values(), key=lambda one: -one.id)[:MOST_OPERATIONS])


def _journal(snapshot: Snapshot, news: Journal) -> Snapshot:
    kept = () if news.is_afresh else snapshot.changes
    head = 0 if news.is_afresh else snapshot.head
    new = [one for one in news.changes if one.n > head]
    if not new:
        return replace(snapshot, changes=kept, head=head)
    activity = snapshot.activity
    if not news.is_afresh:
        counted: dict[str, int] = {}
        for one in new:
            counted[one.repository] = counted.get(one.repository, 0) + 1
        for name, count in counted.items():
            before = activity.get(name, Activity())
            after = replace(before, changes=before.changes.added(news.second, count))
            activity = _with(activity, name, after)
    changes = (*reversed(new[-MOST_CHANGES:]), *kept)[:MOST_CHANGES]
    return replace(snapshot, changes=changes, head=new[-1].n, activity=activity)


def _told(snapshot: Snapshot, event: Happened, second: int) -> Snapshot:
    match event.data:
        case Progress() as progress:
            key = progress.repository, progress.type
            hashed = _hashed(snapshot, key, progress.bytes_hashed, second)
            return replace(hashed, running=_with(snapshot.running, key, progress))
        case wire.Operation() as operation:
            return _operated(snapshot, operation, second)
        case State(repository=name, state=state, message=message):
            return _changed(snapshot, name, state=state, message=message)
        case Health(repository=name, health=health):
            return _changed(snapshot, name, health=health)
        case _:
            return snapshot


def _operated(snapshot: Snapshot, operation: wire.Operation, second: int) -> Snapshot:
    key = operation.repository, operation.type
    if operation.ended is not None:
        snapshot = _hashed(snapshot, key, operation.bytes_hashed, second)
    running = _only(snapshot.running, (one for one in snapshot.running if one != key))
    return replace(snapshot, running=running, operations=_newest([operation], snapshot.operations))


def _hashed(snapshot: Snapshot, key: Running, total: int, second: int) -> Snapshot:
    """An operation has hashed so many bytes by now: what is more than was known was hashed in this second."""
    known = snapshot.running.get(key)
    more = total - (0 if known is None else known.bytes_hashed)
    if more <= 0:
        return snapshot
    before = snapshot.activity.get(key[0], Activity())
    after = replace(before, hashed=before.hashed.added(second, more))
    return replace(snapshot, activity=_with(snapshot.activity, key[0], after))


def _changed(snapshot: Snapshot, name: str, **what: object) -> Snapshot:
    repositories = (
        msgspec.structs.replace(one, **what) if one.name == name else one for one in snapshot.repositories
    )
    return replace(snapshot, repositories=tuple(repositories))


def _until(activity: Mapping[str, Activity], second: int) -> Mapping[str, Activity]:
    return MappingProxyType(
        {
            name: Activity(one.changes.until(second), one.hashed.until(second))
            for name, one in activity.items()
        }
    )


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**mapping, key: value})


def _only(mapping: Mapping[K, V], keys: Iterable[K]) -> Mapping[K, V]:
    return MappingProxyType({key: mapping[key] for key in keys})
