"""Deletion is a decision, not an accident."""

from datetime import UTC, datetime, timedelta

import pytest

from treeledger.config.settings import MaxDelete
from treeledger.gate import Verdict, judge, too_many
from treeledger.protocols import Gone

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def gone(waiting: int, in_window: int, oldest: float, newest: float) -> Gone:
    return Gone(waiting, in_window, NOW - timedelta(seconds=oldest), NOW - timedelta(seconds=newest), NOW)


@pytest.mark.parametrize(
    ("count", "live", "held"),
    [
        (20, 20, False),  # a handful is never held
        (21, 41, True),  # more than half of more than a handful
        (21, 42, False),  # exactly half
        (1000, 100_000, False),
        (1001, 100_000, True),
    ],
)
def test_the_limits(count: int, live: int, held: bool) -> None:
    assert too_many(count, live, MaxDelete()) is held


def test_it_waits_until_no_more_is_lost() -> None:
    judgement = judge(gone(1, 1, oldest=3, newest=0.2), 100, MaxDelete())
    assert judgement.verdict is Verdict.WAIT
    assert judgement.wait == pytest.approx(0.3)


def test_but_not_for_ever() -> None:
    assert judge(gone(5, 5, oldest=10, newest=0.1), 100, MaxDelete()).verdict is Verdict.DELETE


def test_losses_from_a_future_that_the_clock_was_put_back_from_are_not_waited_for() -> None:
    assert judge(gone(5, 5, oldest=-3600, newest=-3600), 100, MaxDelete()).verdict is Verdict.DELETE
    assert judge(gone(50, 50, oldest=-3600, newest=-3600), 60, MaxDelete()).verdict is Verdict.HOLD


def test_it_looks_at_the_whole_window_not_at_one_batch() -> None:
    assert judge(gone(1, 1001, oldest=1, newest=1), 100_000, MaxDelete()).verdict is Verdict.HOLD


def test_nothing_missing_nothing_to_do() -> None:
    assert judge(Gone(0, 50, None, None, NOW), 100, MaxDelete()).verdict is Verdict.NOTHING
