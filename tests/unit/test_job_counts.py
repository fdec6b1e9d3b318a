"""Jobs are counted a twentieth of the time at most, and at once after a person's word."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest

from treeledger.api.job_counts import JobCounts
from treeledger.model import JobState
from treeledger.protocols import JobCount

pytestmark = pytest.mark.anyio


class Clock:
    """A store that takes some seconds to count, and a clock that goes on while it does."""

    def __init__(self, takes: float) -> None:
        self.now = 100.0
        self.takes = takes
        self.counted = 0

    async def count(self) -> Sequence[JobCount]:
        await anyio.lowlevel.checkpoint()
        self.now += self.takes
        self.counted += 1
        return [JobCount("hook", JobState.WAITING, self.counted)]


def of(clock: Clock) -> JobCounts:
    return JobCounts(clock.count, lambda: clock.now)


@pytest.mark.parametrize(("takes", "good_for"), [(0.01, 0.2), (0.1, 2.0), (3.0, 10.0)])
async def test_counts_are_good_for_twenty_times_as_long_as_they_took(takes: float, good_for: float) -> None:
    counts = of(clock := Clock(takes))
    first = await counts.now()
    clock.now += good_for * 0.99
    assert await counts.now() == first
    clock.now += good_for * 0.02
    assert [one.jobs for one in await counts.now()] == [2]


async def test_a_persons_word_is_seen_at_once() -> None:
    counts = of(clock := Clock(0.1))
    await counts.now()
    counts.forget()
    await counts.now()
    assert clock.counted == 2


async def test_what_was_counted_while_a_person_spoke_is_not_kept() -> None:
    counts = of(clock := Clock(0.1))

    async def speaking() -> Sequence[JobCount]:
        counted = await clock.count()
        counts.forget()
        return counted

    counts = JobCounts(speaking, lambda: clock.now)
    await counts.now()
    await counts.now()
    assert clock.counted == 2


async def test_who_asks_meanwhile_has_the_same_answer() -> None:
    counts = of(clock := Clock(0.1))
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(counts.now)
    assert clock.counted == 1
