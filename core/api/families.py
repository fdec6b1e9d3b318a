"""Readings as metrics: names, labels and units, as Prometheus has them (all `treeledger_...`, base units).

Labels have few values: repositories go by their names, kinds by the words of the ledger, never a path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final
from uuid import UUID

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from treeledger import __version__
from treeledger.api.readings import Cared, Readings, Stored
from treeledger.engine.hub import RepositoryState
from treeledger.engine.meter import Spread
from treeledger.model import OperationType
from treeledger.waiting import WaitingKind

Row = Sequence[Any]  # the values of the labels, and last the number
_REPOSITORY: Final = ("repository",)
_WATCHED: Final = (
    RepositoryState.WATCHING,
    RepositoryState.SCANNING,
    RepositoryState.HELD,
    RepositoryState.DEGRADED,
)
_COUNTED: Final = {  # of `treeledger.model.Counts`
    "files_scanned": "Files that operations saw.",
    "files_added": "Files that were recorded as new.",
    "files_updated": "Files that were recorded as changed.",
    "files_removed": "Files that were recorded as deleted or ignored.",
    "files_moved": "Files that were recorded as moved.",
    "files_unchanged": "Files that scans found as they were.",
    "files_hashed": "Files whose content was read.",
    "bytes_hashed": "Bytes of content that were read.",
    "problems": "Problems that operations met.",
}
_NAMED: Final = {"bytes_hashed": "hashed_bytes", "problems": "problems_met"}  # units come last


def families(readings: Readings) -> Iterator[Metric]:
    """Every metric of the program itself."""
    repositories = list(readings.repositories.values())
    yield from _of_program(readings)
    yield from _of_states(repositories)
    yield from _of_sources(repositories)
    yield from _of_operations(repositories)
    yield _gauge("store_up", "Whether the store answers.", (), [(readings.stored is not None,)])
    if readings.stored is not None:
        names = {id: one.name for id, one in readings.repositories.items()}
        yield from _of_store(readings.stored)
        yield from _of_records(readings.stored, names)
        yield from _of_schedules(readings.stored, names)
        yield from _of_trouble(readings.stored, names)


def _of_program(readings: Readings) -> Iterator[Metric]:
    about = {"version": __version__, "command": readings.command, "store": readings.store}
    yield InfoMetricFamily("treeledger", "What runs.", about)
    began = readings.started_at.timestamp()
    yield _gauge("start_time_seconds", "When the engine was started, since 1970.", (), [(began,)])
    text = "Who reads a stream of the API now."
    yield _gauge("api_readers", text, ("stream",), readings.readers.items())


def _of_states(repositories: Sequence[Cared]) -> Iterator[Metric]:
    by_state = Counter(one.state for one in repositories)
    yield _gauge(
        "repositories",
        "Repositories of this host by state.",
        ("state",),
        [(state.value, by_state[state]) for state in RepositoryState],
    )
    yield _gauge(
        "repository_state",
        "1 for the state that a repository is in.",
        ("repository", "state"),
        [(one.name, state.value, one.state is state) for one in repositories for state in RepositoryState],
    )
    watched = sum(by_state[state] for state in _WATCHED)
    yield _gauge("watched_repositories", "Repositories that are being watched.", (), [(watched,)])


def _of_sources(repositories: Sequence[Cared]) -> Iterator[Metric]:
    """What event sources hear, each since it was armed: after that it counts from zero."""
    heard = [(one.name, one.source) for one in repositories if one.source is not None]
    limits = [source.limit for _, source in heard if source.limit is not None]
    text = "Directories that have a watch."
    yield _gauge("watched_directories", text, _REPOSITORY, [(name, one.watches) for name, one in heard])
    text = "Watches that it would take to hear of every directory."
    yield _gauge("watches_needed", text, _REPOSITORY, [(name, one.needed) for name, one in heard])
    text = "Watches that the system allows this user."
    yield _gauge("watch_limit", text, (), [(limit,) for limit in limits[:1]])
    text = "Events that were heard."
    yield _counter("events", text, _REPOSITORY, [(name, one.events) for name, one in heard])
    text = "Events that were heard and are of ignored files."
    yield _counter("events_ignored", text, _REPOSITORY, [(name, one.ignored) for name, one in heard])
    text = "Times that the system's queue of events overflowed; all is scanned then."
    yield _counter("event_overflows", text, _REPOSITORY, [(name, one.overflows) for name, one in heard])
    times = [(name, one.last_event.timestamp()) for name, one in heard if one.last_event is not None]
    yield _gauge(
        "last_event_timestamp_seconds", "When an event was heard last, since 1970.", _REPOSITORY, times
    )


def _of_operations(repositories: Sequence[Cared]) -> Iterator[Metric]:
    latency = HistogramMetricFamily(
        "treeledger_event_latency_seconds",
        "From when a file was first heard of to when it is on record, settling included.",
        labels=_REPOSITORY,
    )
    durations = HistogramMetricFamily(
        "treeledger_operation_duration_seconds",
        "How long operations took that have ended.",
        labels=("repository", "type"),
    )
    for one in repositories:
        _add(latency, (one.name,), one.metered.latency)
        for type, spread in one.metered.durations.items():
            if type is not OperationType.REALTIME:  # it lasts as long as its burst
                _add(durations, (one.name, type.value), spread)
    yield latency
    yield durations
    yield _counter(
        "operations",
        "Operations that have ended, by type and how they ended.",
        ("repository", "type", "status"),
        [
            (one.name, type.value, status.value, count)
            for one in repositories
            for (type, status), count in one.metered.ended.items()
        ],
    )
    counted = [(one.name, one.metered.counted()) for one in repositories]
    for key, text in _COUNTED.items():
        yield _counter(
            _NAMED.get(key, key), text, _REPOSITORY, [(name, counts[key]) for name, counts in counted]
        )


def _of_store(stored: Stored) -> Iterator[Metric]:
    text = "How long the store took for one small answer during this scrape."
    yield _gauge("store_latency_seconds", text, (), [(stored.latency,)])
    yield _counter("journal_entries", "The number of the newest change.", (), [(stored.head.n,)])
    yield _gauge(
        "jobs",
        "Jobs of actions by state.",
        ("action", "state"),
        [(action, state.value, count) for action, state, count in stored.jobs],
    )
    behind = [
        (action, stored.head.n - cursor.n)
        for action, cursor in stored.tally.cursors.items()
        if cursor.epoch == stored.head.epoch
    ]
    yield _gauge("action_lag_entries", "Changes that an action has not planned yet.", ("action",), behind)


def _of_records(stored: Stored, names: Mapping[UUID, str]) -> Iterator[Metric]:
    mine = [one for one in stored.repositories if one.id in names]
    counts = [
        (one.name, state, count)
        for one in mine
        for state, count in (("present", one.files), ("missing", one.missing), ("ignored", one.ignored))
    ]
    yield _gauge("files", "Files on record by state.", ("repository", "state"), counts)
    sizes = [(one.name, one.bytes) for one in mine]
    yield _gauge("present_bytes", "Bytes of the files that are present.", _REPOSITORY, sizes)
    unread = [
        (names[id], state.value, count) for (id, state), count in stored.tally.unread.items() if id in names
    ]
    yield _gauge(
        "pending_hashes",
        "Files whose content is to be read, again or after a failure.",
        ("repository", "state"),
        unread,
    )


def _of_schedules(stored: Stored, names: Mapping[UUID, str]) -> Iterator[Metric]:
    mine = [(names[one.repository_id], one) for one in stored.schedules if one.repository_id in names]
    labels = ("repository", "kind")
    yield _gauge(
        "schedule_completed_timestamp_seconds",
        "When scheduled work was completed last, since 1970.",
        labels,
        [(name, one.kind.value, one.ended_at.timestamp()) for name, one in mine if one.ended_at],
    )
    yield _gauge(
        "schedule_due_timestamp_seconds",
        "When scheduled work is due, since 1970.",
        labels,
        [(name, one.kind.value, one.due_at.timestamp()) for name, one in mine if one.due_at],
    )


def _of_trouble(stored: Stored, names: Mapping[UUID, str]) -> Iterator[Metric]:
    tally = stored.tally
    yield _gauge(
        "problems",
        "Problems on record, and notes, by code.",
        ("repository", "code"),
        [(names[id], code.value, count) for (id, code), count in tally.problems.items() if id in names],
    )
    dirty = [(names[id], count) for id, count in tally.dirty.items() if id in names]
    yield _gauge("dirty_subtrees", "Subtrees that must be scanned.", _REPOSITORY, dirty)
    by_kind = Counter(one.kind for one in stored.waiting)
    waiting = [(kind.value, by_kind[kind]) for kind in WaitingKind]
    yield _gauge("waiting", "What waits for a person.", ("kind",), waiting)
    held = Counter(dict.fromkeys(names.values(), 0))
    for hold in stored.holds:
        if hold.repository_id in names:
            held[names[hold.repository_id]] += hold.gone
    yield _gauge("held_files", "Deletions that wait for a person.", _REPOSITORY, held.items())


def _gauge(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    return _filled(GaugeMetricFamily(f"treeledger_{name}", text, labels=labels), rows)


def _counter(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """`_total` is added to its name."""
    return _filled(CounterMetricFamily(f"treeledger_{name}", text, labels=labels), rows)


def _filled(family: Any, rows: Iterable[Row]) -> Metric:
    for *values, number in rows:
        family.add_metric(values, number)
    filled: Metric = family
    return filled


def _add(family: HistogramMetricFamily, labels: Sequence[str], spread: Spread) -> None:
    buckets = [("+Inf" if bound == inf else str(bound), float(count)) for bound, count in spread.within()]
    family.add_metric(labels, buckets, sum_value=spread.sum)
