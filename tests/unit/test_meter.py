"""What an engine counts of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.engine.hub import CaughtUp, Finished, Progress
from treeledger.engine.meter import LATENCIES, Meter, Metered, Spread
from treeledger.model import Counts, OperationStatus, OperationType, Repository, SyncOperation

PHOTOS = Repository(UUID(int=1), "photos", "here", "/photos")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUNNING, COMPLETED, FAILED = OperationStatus
RECONCILIATION, REALTIME = OperationType.RECONCILIATION, OperationType.REALTIME


def finished(
    counts: Counts,
    type: OperationType = RECONCILIATION,
    status: OperationStatus = COMPLETED,
    milliseconds: int | None = 1500,
) -> Finished:
    copy = replace(counts)  # as the store gives it back
    return Finished(
        PHOTOS, SyncOperation(1, PHOTOS.id, type, status, "", 1, copy, NOW, duration_ms=milliseconds)
    )


def progress(counts: Counts, type: OperationType = RECONCILIATION) -> Progress:
    return Progress(PHOTOS, type, counts, 0, 0.0)


@pytest.fixture
def meter() -> Meter:
    return Meter()


def metered(meter: Meter) -> Metered:
    return meter.metered[PHOTOS.id]


@given(st.lists(st.floats(0, 1000)))
def test_a_spread_counts_what_was_within_each_bound(durations: list[float]) -> None:
    spread = Spread(LATENCIES)
    for seconds in durations:
        spread.add(seconds)
    assert spread.within() == [
        (bound, sum(seconds <= bound for seconds in durations)) for bound in (*LATENCIES, inf)
    ]
    assert spread.sum == pytest.approx(sum(durations))


def test_what_was_caught_up_with_is_spread(meter: Meter) -> None:
    meter.take(CaughtUp(PHOTOS, [0.02, 5.0]))
    meter.take(CaughtUp(PHOTOS, [0.02]))
    assert dict(metered(meter).latency.within())[0.03] == 2
    assert metered(meter).latency.sum == pytest.approx(5.04)


def test_an_operation_is_counted_while_it_runs_and_once_when_it_has_ended(meter: Meter) -> None:
    counts = Counts(files_scanned=3, bytes_hashed=10)
    meter.take(progress(counts))
    counts.files_scanned = 7  # as a run goes on counting
    assert metered(meter).counted()["files_scanned"] == 7
    meter.take(finished(counts))
    assert metered(meter).counted()["files_scanned"] == 7
    assert metered(meter).counted()["bytes_hashed"] == 10
    assert metered(meter).ended == {(RECONCILIATION, COMPLETED): 1}
    assert metered(meter).durations[RECONCILIATION].sum == 1.5


def test_one_that_ended_without_a_word_stays_counted(meter: Meter) -> None:
    meter.take(progress(Counts(files_scanned=3)))
    meter.take(progress(Counts(files_scanned=1)))
    assert metered(meter).counted()["files_scanned"] == 4


def test_the_end_of_another_operation_of_the_type_takes_nothing_away(meter: Meter) -> None:
    meter.take(progress(Counts(files_scanned=3)))
    meter.take(finished(Counts(files_removed=1)))
    assert metered(meter).counted()["files_scanned"] == 3
    assert metered(meter).counted()["files_removed"] == 1


def test_failures_are_told_apart_and_one_that_was_given_up_has_no_duration(meter: Meter) -> None:
    meter.take(finished(Counts(), REALTIME, FAILED, milliseconds=None))
    assert metered(meter).ended == {(REALTIME, FAILED): 1}
    assert metered(meter).durations == {}
