"""Budgets and paces: what a scrub may read, and how fast."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.engine.budget import Budget, Purse
from treeledger.errors import UsageError
from treeledger.model import Counts
from treeledger.pacing import Pace

MB = 1_000_000
limits = st.none() | st.integers(1, 30)


@given(st.lists(st.integers(0, 20), max_size=12), limits, limits)
def test_a_budget_is_exceeded_by_its_last_file_only(
    sizes: list[int], files: int | None, most: int | None
) -> None:
    purse, counts = Purse(Budget(files=files, bytes=most), 0), Counts()
    read: list[int] = []
    for size in sizes:
        ended = purse.ended(counts)
        if ended is not None:
            assert {"files": len(read) == files, "bytes": sum(read) >= (most or 0)}[ended]
            break
        purse.take(size)
        read.append(size)
        counts.files_hashed += 1
        counts.bytes_hashed += size
        purse.give_back(1, size)
    else:
        assert read == sizes
    assert files is None or len(read) <= files
    assert most is None or sum(read[:-1]) < most


def test_a_file_larger_than_the_whole_budget_has_its_turn() -> None:
    purse = Purse(Budget(bytes=10), 0)
    assert purse.ended(Counts()) is None
    purse.take(10**12)
    assert purse.ended(Counts()) == "bytes"


def test_what_could_not_be_read_costs_nothing() -> None:
    purse = Purse(Budget(files=1), 0)
    purse.take(5)
    assert purse.ended(Counts()) == "files"
    purse.give_back(1, 5)
    assert purse.ended(Counts()) is None


def test_percent_is_of_bytes_and_all_of_them_is_no_limit() -> None:
    assert Budget(percent=10).most_bytes(2000) == 200
    assert Budget(percent=10, bytes=50).most_bytes(2000) == 50
    assert Budget(percent=100).most_bytes(2000) == float("inf")
    assert Budget(percent=10).most_bytes(0) == float("inf")  # empty files have their turn, too


@pytest.mark.parametrize("given", [{"percent": 0}, {"files": -1}, {"bytes": 0}, {"seconds": float("nan")}])
def test_a_budget_of_nothing_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="nothing be read"):
        Budget(**given)  # type: ignore[arg-type]


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.integers(1, 3 * MB), min_size=1, max_size=30), st.integers(1000, 10 * MB))
def test_a_pace_is_kept_and_even(wanted: list[int], rate: int) -> None:
    clock = Clock()
    pace = Pace(rate, clock=clock, sleep=clock.sleep)
    given = 0
    for size in wanted[:5]:
        for _ in range(20):
            before = clock.now
            count = pace(size)
            assert 1 <= count <= size
            assert clock.now - before <= 0.2 + 1 / rate  # no reader sleeps long
            given += count
            assert given <= rate * (clock.now - 100.0) + 0.1 * rate + 1


def test_a_pace_is_of_all_readers_together() -> None:
    pace = Pace(20 * MB)
    done: list[int] = []

    def read() -> None:
        left = MB
        while left:
            left -= pace(left)
        done.append(MB)

    threads = [threading.Thread(target=read) for _ in range(4)]
    began = pace._clock()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [MB] * 4
    assert pace._clock() - began >= 4 * MB / pace.rate - 0.11  # it began with a full bucket
