"""Settling: what is over is looked at immediately, what is busy at growing intervals, nothing is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from treeledger.dirty import collapse, outermost
from treeledger.model import Observation
from treeledger.names import within
from treeledger.settle import LONGEST_WAIT, Settle


def looks(settle: Settle, until: float) -> list[tuple[float, str]]:
    """All (time, path) that become due up to a time, asked for exactly when they are."""
    found = []
    while (due := settle.next_due()) is not None and due <= until:
        found += [(due, observation.path) for observation in settle.due(due)]
    return found


def test_a_closed_file_is_looked_at_immediately() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("a", at_once=True)], 10.0)
    assert looks(settle, 10.0) == [(10.0, "a")]


def test_closing_right_after_creating_is_immediate_too() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("a")], 10.0)
    settle.observe([Observation("a", at_once=True)], 10.001)
    assert looks(settle, 20.0) == [(10.001, "a")]


def test_a_write_waits_until_it_is_quiet() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("a")], 10.0)
    settle.observe([Observation("a")], 10.3)
    assert looks(settle, 20.0) == [(10.8, "a")]


def test_a_second_close_within_the_interval_waits_for_its_edge() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("a", at_once=True)], 10.0)
    assert looks(settle, 10.0) == [(10.0, "a")]
    settle.observe([Observation("a", at_once=True)], 10.1)
    assert looks(settle, 20.0) == [(10.6, "a")]


def test_a_busy_file_is_looked_at_at_doubling_intervals() -> None:
    settle = Settle(0.5)
    settle.hashed("log", 20.0)
    times = []
    for tenth in range(20_000):
        now = tenth / 10
        settle.observe([Observation("log")], now)
        times += [at for at, _ in looks(settle, now)]
    gaps = [round(after - before, 1) for before, after in pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 4
    assert 190 <= gaps[-1] <= 210  # ten times its hashing time
    assert max(gaps) <= LONGEST_WAIT


def test_a_large_file_that_is_closed_now_and_then_is_looked_at_less_and_less_often() -> None:
    settle = Settle(0.5)
    settle.hashed("log", 5.0)
    times = []
    for number in range(600):
        times += [at for at, _ in looks(settle, 2.0 * number)]
        settle.observe([Observation("log", at_once=True)], 2.0 * number)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 2.0
    assert 45 <= gaps[-1] <= 55  # ten times its hashing time
    settle.observe([Observation("log", at_once=True)], 5000.0)  # after a long rest
    assert looks(settle, 5000.0)[-1] == (5000.0, "log")


def test_a_busy_small_file_is_still_looked_at_every_second() -> None:
    settle = Settle(0.5)
    times = []
    for tenth in range(200):
        settle.observe([Observation("log")], tenth / 10)
        times += [at for at, _ in looks(settle, tenth / 10)]
    assert len(times) >= 15


def test_flags_of_one_path_add_up() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("a", written=True)], 1.0)
    settle.observe([Observation("a", written=False, at_once=True)], 1.1)
    (observation,) = settle.due(1.1)
    assert observation.written
    assert observation.at_once


def test_both_ends_of_a_move_are_looked_at_together() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("b", at_once=True, written=False)], 10.0)
    settle.due(10.0)
    settle.observe([Observation("b", at_once=True, written=False)], 10.1)  # would wait for its edge
    settle.observe([Observation("a", at_once=True, written=False)], 10.11)
    assert {observation.path for observation in settle.due(10.11)} == {"a", "b"}


observed = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 5)), min_size=1, max_size=40
)


@given(observed)
def test_every_observation_is_followed_by_a_look(events: list[tuple[str, bool, float]]) -> None:
    settle = Settle(0.5)
    now, last, found = 0.0, {}, []
    for path, at_once, delay in events:
        now += delay
        found += looks(settle, now)
        settle.observe([Observation(path, at_once=at_once)], now)
        last[path] = now
    found += looks(settle, now + LONGEST_WAIT)
    assert all(any(p == path and at >= when for at, p in found) for path, when in last.items())
    assert len(settle) == 0


def test_a_flood_collapses_into_subtrees_and_loses_nothing() -> None:
    settle = Settle(0.5, limit=1000)
    paths = [f"d{n % 300}/s{n % 7}/f{n}" for n in range(5000)]
    for start in range(0, 5000, 100):
        settle.observe([Observation(path) for path in paths[start : start + 100]], 1.0)
    due = settle.due(100.0)
    assert len(due) <= 1100
    for path in paths:
        assert any(o.path == path or (o.subtree and within(o.path, path)) for o in due)


prefixes = st.lists(st.lists(st.sampled_from("abc"), max_size=4).map("/".join), min_size=1, max_size=30)


@given(prefixes, st.integers(1, 5))
def test_collapsing_covers_everything_with_few(given_prefixes: list[str], limit: int) -> None:
    collapsed = collapse(given_prefixes, limit)
    assert len(collapsed) <= limit
    assert all(any(within(kept, prefix) for kept in collapsed) for prefix in given_prefixes)


@given(prefixes)
def test_outermost_keeps_no_prefix_within_another(given_prefixes: list[str]) -> None:
    kept = outermost(given_prefixes)
    assert not any(a != b and within(a, b) for a in kept for b in kept)
    assert all(any(within(k, prefix) for k in kept) for prefix in given_prefixes)


def test_both_ends_of_a_renamed_directory_are_due_together() -> None:
    """One of them may have been looked at just now; then its scan would not find where the files went."""
    left = Observation("a", subtree=True, at_once=True, written=False)
    arrived = Observation("b", subtree=True, at_once=True, written=False, source="a")
    for busy in "ab":
        settle = Settle(0.5)
        settle.observe([Observation(busy, subtree=True, at_once=True)], 10.0)
        assert looks(settle, 10.0) == [(10.0, busy)]
        settle.observe([left, arrived], 10.1)
        assert sorted(settle.due(10.1)) == [left, arrived]


def test_the_last_source_of_a_directory_counts() -> None:
    settle = Settle(0.5)
    for source in ("x", "y", None):
        settle.observe([Observation("a", subtree=True, source=source)], 10.0)
    assert [observation.source for observation in settle.due(20.0)] == ["y"]


def test_what_is_told_of_a_path_is_known_while_it_waits() -> None:
    settle = Settle(0.5)
    settle.observe([Observation("moved", at_once=True, written=False), Observation("written")], 0.0)
    assert [settle.hint(path) for path in ("moved", "written", "other")] == [False, True, None]
    settle.observe([Observation("moved", at_once=True)], 0.1)
    assert settle.hint("moved") is True
    settle.due(1.0)
    assert settle.hint("moved") is None
