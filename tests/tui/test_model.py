"""The dashboard's snapshots: what news make of them, and that they stay small and right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st
from values import NOW, change, operation, progress, repository, status, waiting

from treeledger.client import Happened
from treeledger.tui.activity import SECONDS, Window
from treeledger.tui.model import (
    MOST_CHANGES,
    MOST_OPERATIONS,
    Away,
    History,
    Journal,
    Link,
    Looked,
    News,
    Second,
    Snapshot,
    Told,
    reduced,
)
from treeledger.wire_events import Attention, Health, Progress, State

EMPTY = Snapshot()
LOOKED = Looked(status(), [repository("archive", "held"), repository()], [waiting("held")], 3)


def after(*news: News) -> Snapshot:
    return reduce(reduced, news, EMPTY)


# changes since something was read


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=30),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_changes_since_are_those_of_the_journal_or_not_known(
    names: list[str], begin: int, seen: int, head: int
) -> None:
    """Some entries from `begin` on are read at once, and those after `seen` as they come."""
    journal = [change(n, repository=name) for n, name in enumerate(names, 1)]
    at_once, head = journal[begin:seen], min(head, len(journal))
    snapshot = after(
        Journal(at_once, 1, is_afresh=True, head=min(seen, len(journal))), Journal(journal[seen:], 2)
    )
    assert snapshot.since(head, None) == len(journal) - head
    for name in ("a", "b", "c"):
        counted = snapshot.since(head, name)
        assert counted in (None, sum(one.repository == name for one in journal[head:]))
        assert counted is not None or begin > head or seen < begin


def test_many_changes_are_not_counted_on() -> None:
    journal = [change(n, repository="a") for n in range(1, MOST_CHANGES + 99)]
    snapshot = after(Journal((), 1, is_afresh=True), Journal(journal, 1))
    assert (snapshot.since(9, "a"), snapshot.since(9, None)) == (MOST_CHANGES, MOST_CHANGES)
    assert (snapshot.since(len(journal) - 2, "a"), snapshot.since(9, "b")) == (2, 0)
    assert (snapshot.since(len(journal) + 9, "a"), snapshot.since(len(journal) + 9, None)) == (0, 0)


# windows

counted = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5)), max_size=60)


@given(counted)
def test_a_window_ends_at_the_last_second_counts_nothing_twice_and_stays_short(
    counts: list[tuple[int, int]],
) -> None:
    window = Window()
    for second, amount in counts:
        window = window.added(second, amount)
    assert len(window.values) <= SECONDS
    assert sum(window.values) <= sum(amount for _, amount in counts)
    assert window.end == max((second for second, _ in counts), default=0)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=100))
def test_in_order_a_window_is_the_count_of_each_second(seconds: list[int]) -> None:
    window = Window()
    for second in sorted(seconds):
        window = window.added(second, 1)
    begin = min(seconds)
    assert list(window.values) == [seconds.count(one) for one in range(begin, max(seconds) + 1)]


def test_a_rate_falls_to_nothing_when_nothing_comes_any_more() -> None:
    window = Window().added(10, 50).added(11, 70)
    assert window.until(12).rate == 60
    assert window.until(16).rate == 0
    assert Window().until(5) == Window()


# the feed

pages = st.lists(st.lists(st.integers(1, 2000), max_size=700), max_size=6)


@given(pages)
def test_the_feed_has_each_entry_once_newest_first_and_not_too_many(numbers: list[list[int]]) -> None:
    snapshot = EMPTY
    for page in numbers:
        snapshot = reduced(snapshot, Journal([change(n) for n in sorted(set(page))], 1))
    found = [one.n for one in snapshot.feed(None)]
    assert found == sorted(set(found), reverse=True)
    assert len(found) <= MOST_CHANGES
    assert snapshot.head == max((max(page) for page in numbers if page), default=0)


def test_a_feed_that_begins_afresh_forgets_and_counts_nothing_as_new() -> None:
    snapshot = after(Journal([change(1), change(2)], 7), Journal([change(50)], 8, is_afresh=True))
    assert [one.n for one in snapshot.feed(None)] == [50]
    assert snapshot.activity["photos"].changes.values == (2,)


def test_a_journal_that_was_begun_anew_has_lower_numbers() -> None:
    snapshot = after(
        Journal([change(900)], 7), Journal([change(3)], 8, is_afresh=True), Journal([change(4)], 9)
    )
    assert [one.n for one in snapshot.feed(None)] == [4, 3]


# repositories and operations


def test_what_is_looked_up_is_what_is_shown() -> None:
    snapshot = after(Away("gone", 1), LOOKED)
    assert snapshot.link is Link.HERE
    assert snapshot.message == ""
    assert [one.name for one in snapshot.repositories] == ["archive", "photos"]
    assert (snapshot.decisions, snapshot.problems) == (1, 3)


def test_states_and_health_come_at_once_and_of_strangers_nothing() -> None:
    events = [
        Happened("state", State(repository="photos", state="offline", message="not mounted")),
        Happened("health", Health(repository="photos", health={"watches": 7})),
        Happened("state", State(repository="stranger", state="held", message="")),
        Happened("attention", Attention(waiting=2)),
    ]
    snapshot = after(LOOKED, Told(events, 1))
    found = snapshot.repository("photos")
    assert found is not None
    assert (found.state, found.message, found.health) == ("offline", "not mounted", {"watches": 7})
    assert len(snapshot.repositories) == 2


def at(hashed: int) -> Happened:
    return Happened("progress", progress(bytes_hashed=hashed))


def test_bytes_hashed_are_counted_once_whoever_tells_of_them() -> None:
    ended = operation(1, ended=NOW, status="completed", bytes_hashed=90)
    snapshot = after(
        LOOKED,
        Told([Happened("began", operation(1)), at(20)], 1),
        Told([at(60)], 2),
        Told([Happened("finished", ended)], 3),
    )
    assert snapshot.activity["photos"].hashed.values == (20, 40, 30)
    assert snapshot.running == {}
    assert [one.status for one in snapshot.operations] == ["completed"]


def test_a_scan_is_told_before_bursts() -> None:
    events = [
        Happened("progress", progress(type="realtime")),
        Happened("progress", progress(type="startup")),
        Happened("progress", progress("archive")),
    ]
    assert [one.type for one in after(LOOKED, Told(events, 1)).progress("photos")] == ["startup", "realtime"]


def test_an_engine_that_is_away_runs_nothing_and_what_it_told_stays() -> None:
    snapshot = after(LOOKED, Told([at(20)], 1), Journal([change(1)], 1), Away("it does not answer", 1))
    assert (snapshot.link, snapshot.message) == (Link.AWAY, "it does not answer")
    assert snapshot.running == {}
    assert (len(snapshot.feed(None)), len(snapshot.repositories)) == (1, 2)


def test_a_repository_that_is_gone_leaves_nothing_behind() -> None:
    only_archive = Looked(status(), [repository("archive")], [], 0)
    snapshot = after(LOOKED, Told([at(20)], 1), only_archive)
    assert (dict(snapshot.running), dict(snapshot.activity)) == ({}, {})


@given(st.lists(st.integers(1, 1000), max_size=400))
def test_the_history_has_each_operation_once_and_not_too_many(ids: Sequence[int]) -> None:
    half = len(ids) // 2
    events = [Happened("finished", operation(id, ended=NOW)) for id in ids[half:]]
    snapshot = after(History([operation(id) for id in ids[:half]]), Told(events, 1), Second(2))
    found = [one.id for one in snapshot.operations]
    assert found == sorted(set(ids), reverse=True)[:MOST_OPERATIONS]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_progress_that_goes_back_counts_nothing_away(totals: list[int]) -> None:
    snapshot = after(LOOKED)
    for second, total in enumerate(totals):
        snapshot = reduced(snapshot, Told([at(total)], second))
    hashed = snapshot.activity.get("photos")
    assert hashed is None or all(value >= 0 for value in hashed.hashed.values)
    last: Progress = snapshot.running["photos", "reconciliation"]
    assert last.bytes_hashed == totals[-1]
