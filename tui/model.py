"""What the dashboard knows, as frozen values, and how news change it.

Pure: `reduced(snapshot, news)` is the snapshot that the news make of another. Whatever comes, however fast
and long, a snapshot stays small: it has a feed of `MOST_CHANGES` for each repository, a history of
`MOST_OPERATIONS`, windows of `SECONDS`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import msgspec

from treeledger import wire
from treeledger.answers import Status
from treeledger.client import Happened
from treeledger.model import OperationType
from treeledger.tui.activity import Activity
from treeledger.waiting import WaitingKind
from treeledger.wire_events import Health, Progress, State

K = TypeVar("K")
V = TypeVar("V")
MOST_CHANGES: Final = 500  # of each repository: a busy one pushes nothing of a quiet one out
MOST_OPERATIONS: Final = 200
DECISIONS: Final[Collection[str]] = frozenset((WaitingKind.HELD, WaitingKind.CORRUPTED))
"""The kinds of what waits for a person's word; the others wait for repair."""


class Link(StrEnum):
    """How the engine is reached."""

    SOUGHT = "sought"
    HERE = "here"
    AWAY = "away"


Running = tuple[str, str]
"""A repository and a type of operation, of which one runs at a time."""


Changes = tuple[wire.Change, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the dashboard shows at one moment. `operations` have the newest first, and so has each of the
    `feeds`, by the name of its repository; the journal was read from after the number `begin` up to `head`;
    `problems` is None where there are more than anybody counts. `away_since`: the second since which the
    engine does not answer, so that all is as it was then; `is_ledger_away`: because its ledger is away."""

    link: Link = Link.SOUGHT
    message: str = ""
    away_since: int | None = None
    is_ledger_away: bool = False
    status: Status | None = None
    repositories: tuple[wire.Repository, ...] = ()
    running: Mapping[Running, Progress] = field(default_factory=lambda: MappingProxyType({}))
    operations: tuple[wire.Operation, ...] = ()
    feeds: Mapping[str, Changes] = field(default_factory=lambda: MappingProxyType({}))
    begin: int = 0
    head: int = 0
    waiting: tuple[wire.Waiting, ...] = ()
    problems: int | None = 0
    activity: Mapping[str, Activity] = field(default_factory=lambda: MappingProxyType({}))

    def repository(self, name: str | None) -> wire.Repository | None:
        return next((one for one in self.repositories if one.name == name), None)

    def feed(self, name: str | None) -> Changes:
        """The latest changes of a repository, or of all, the newest first."""
        return newest(*self.feeds.values()) if name is None else self.feeds.get(name, ())

    def since(self, head: int, name: str | None) -> int | None:
        """How many changes a repository, or all, had after that number; MOST_CHANGES: that many or more.

        None where it is not known whether there were any: of what happened while the engine was away, only
        the newest changes of all were read.
        """
        if name is None:
            return max(0, min(self.head - head, MOST_CHANGES))
        feed = self.feed(name)
        newer = bisect_left(feed, -head, key=lambda one: -one.n)
        return newer if newer < len(feed) or newer == MOST_CHANGES or head >= self.begin else None

    def progress(self, name: str) -> tuple[Progress, ...]:
        """Of the operations that run in a repository, bursts last."""
        found = [one for (repository, _), one in self.running.items() if repository == name]
        return tuple(sorted(found, key=lambda one: (one.type == OperationType.REALTIME, one.type)))

    @property
    def engine(self) -> datetime | None:
        """When the engine was started that answers; None while none does."""
        return self.status.started_at if self.link is Link.HERE and self.status is not None else None

    @property
    def decisions(self) -> int:
        """How much waits for a person's decision; the rest waits for repair."""
        return sum(one.kind in DECISIONS for one in self.waiting)


class Looked(NamedTuple):
    """The state of all, as it was asked for."""

    status: Status
    repositories: Sequence[wire.Repository]
    waiting: Sequence[wire.Waiting]
    problems: int | None


class History(NamedTuple):
    """The newest operations as they were asked for: those that run, and the last that ended."""

    operations: Sequence[wire.Operation]


class Journal(NamedTuple):
    """Entries of the journal in order, as they came in that second. `is_afresh`: nothing is known of what was
    between those shown and these, and the journal ends at `head`."""

    changes: Sequence[wire.Change]
    second: int
    is_afresh: bool = False
    head: int = 0


class Recalled(NamedTuple):
    """The last entries of one repository, as they were asked for."""

    repository: str
    changes: Sequence[wire.Change]


class Told(NamedTuple):
    """Events of the engine in order, as they came in that second."""

    events: Sequence[Happened]
    second: int


class Away(NamedTuple):
    """The engine does not answer, or cannot as its ledger is away; `message` says why, and what is safe. It
    came in that second."""

    message: str
    second: int
    is_ledger: bool = False


class Second(NamedTuple):
    """That second has begun."""

    second: int


News = Looked | History | Journal | Recalled | Told | Away | Second


def reduced(snapshot: Snapshot, news: News) -> Snapshot:
    """The snapshot after the news."""
    match news:
        case Looked():
            return _looked(snapshot, news)
        case History(operations):
            return _history(snapshot, operations)
        case Journal():
            return _journal(snapshot, news)
        case Recalled(name, changes):
            feed = newest(snapshot.feed(name), changes)
            return replace(snapshot, feeds=_with(snapshot.feeds, name, feed))
        case Told(events, second):
            for event in events:
                snapshot = _told(snapshot, event, second)
            return snapshot
        case Away(message, second, is_ledger):
            since = second if snapshot.away_since is None else snapshot.away_since
            running: Mapping[Running, Progress] = MappingProxyType({})
            return replace(
                snapshot,
                link=Link.AWAY,
                message=message,
                away_since=since,
                is_ledger_away=is_ledger,
                running=running,
            )
        case Second(second):
            return replace(snapshot, activity=_until(snapshot.activity, second))


def newest(*feeds: Iterable[wire.Change]) -> Changes:
    """The newest changes of several feeds, each once."""
    by_number = {one.n: one for feed in feeds for one in feed}
    return tuple(by_number[n] for n in sorted(by_number, reverse=True)[:MOST_CHANGES])


def _looked(snapshot: Snapshot, looked: Looked) -> Snapshot:
    names = {one.name for one in looked.repositories}
    gone = {one.name for one in snapshot.repositories} - names  # one that is new may be told of before
    return replace(
        snapshot,
        link=Link.HERE,
        message="",
        away_since=None,
        is_ledger_away=False,
        status=looked.status,
        repositories=tuple(looked.repositories),
        waiting=tuple(looked.waiting),
        problems=looked.problems,
        running=_only(snapshot.running, (key for key in snapshot.running if key[0] not in gone)),
        activity=_only(snapshot.activity, snapshot.activity.keys() - gone),
        feeds=_only(snapshot.feeds, snapshot.feeds.keys() - gone),
    )


def _history(snapshot: Snapshot, operations: Sequence[wire.Operation]) -> Snapshot:
    """Only what it says to run does: that others ended may have been told to nobody here."""
    run = {(one.repository, one.type) for one in operations if one.ended is None}
    running = _only(snapshot.running, (key for key in snapshot.running if key in run))
    return replace(snapshot, operations=_latest(operations), running=running)


def _latest(operations: Iterable[wire.Operation]) -> tuple[wire.Operation, ...]:
    """The newest, each once: as the last of them has it."""
    by_id = {one.id: one for one in operations}
    return tuple(by_id[id] for id in sorted(by_id, reverse=True)[:MOST_OPERATIONS])


def _journal(snapshot: Snapshot, news: Journal) -> Snapshot:
    if news.is_afresh:
        begin = min((one.n for one in news.changes), default=news.head + 1) - 1
        snapshot = replace(snapshot, feeds=MappingProxyType({}), begin=begin, head=0)
    new: dict[str, list[wire.Change]] = {}
    for one in news.changes:
        if one.n > snapshot.head:
            new.setdefault(one.repository, []).append(one)
    feeds, activity = dict(snapshot.feeds), dict(snapshot.activity)
    for name, changes in new.items():
        feeds[name] = newest(feeds.get(name, ()), changes)
        if not news.is_afresh:
            before = activity.get(name, Activity())
            activity[name] = replace(before, changes=before.changes.added(news.second, len(changes)))
    head = max((snapshot.head, news.head, *(changes[-1].n for changes in new.values())))
    return replace(snapshot, feeds=MappingProxyType(feeds), activity=MappingProxyType(activity), head=head)


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
    return replace(snapshot, running=running, operations=_latest([*snapshot.operations, operation]))


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
