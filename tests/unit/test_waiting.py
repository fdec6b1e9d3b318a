"""What waits for a person is told once, again every so often, and once that it is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.model import HeldDeletion, HoldStatus, Repository
from treeledger.waiting import (
    Behind,
    CorruptedFiles,
    DeadJobs,
    Notice,
    Standing,
    Troubles,
    Waiting,
    WaitingKind,
    as_told,
    due,
    noted_now,
    undecided,
    what_waits,
)

START: Final = datetime(2026, 11, 21, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
PHOTOS: Final = Repository(uuid4(), "photos", "here", "/photos")
NOTHING: Final = Troubles()


def held(id: int = 7) -> HeldDeletion:
    return HeldDeletion(id, PHOTOS.id, HoldStatus.OPEN, 50, 60, "50 of 60 files are gone", START)


def one(kind: WaitingKind = WaitingKind.HELD, **given: object) -> Waiting:
    return replace(Waiting(f"{kind}:1", kind, None, "m", START), **given)  # type: ignore[arg-type]


def due_at(now: datetime, noted: Iterable[Waiting], remind: timedelta | None = DAY) -> list[Waiting]:
    return list(due(noted, kinds=tuple(WaitingKind), remind=remind, open_keys=(), now=now))


@pytest.mark.parametrize("state", ["watching", "scanning", "paused", "stopped", "held"])
def test_a_repository_that_is_well_does_not_wait(state: str) -> None:
    assert what_waits([Standing(PHOTOS, state, "")], [], NOTHING, None, START) == []


def test_everything_that_waits_says_where_and_what_to_do() -> None:
    standing = Standing(PHOTOS, "offline", "/photos is empty. Mount it")
    troubles = Troubles(
        [CorruptedFiles(PHOTOS.id, 2, "a.jpg", START)], [DeadJobs("phone", 3, "HTTP 410", START)]
    )
    behind = Behind("phone", START, "phone is yet to read changes")
    found = what_waits([standing], [held()], troubles, behind, START)
    assert {waiting.key: waiting.message for waiting in found} == {
        f"offline:{PHOTOS.id}": "photos: /photos is empty. Mount it",
        "held:7": "photos: 50 of 60 files are gone. Nothing is deleted in the ledger before you decide: "
        "treeledger deletions show 7, then approve 7 or reject 7",
        f"corrupted:{PHOTOS.id}": "photos: the content of 2 files is not what it was, though nothing was "
        "written: a.jpg and others. The good hashes are kept. Restore what treeledger problems lists from a "
        "backup; what is right as it is: treeledger scrub --accept PATH",
        "dead_job:phone": "phone: 3 jobs will not be tried again by themselves; the last failed: "
        "HTTP 410. Nothing is lost. Once that is mended: treeledger jobs retry",
        "degraded:journal:phone": "phone is yet to read changes",
    }


def test_of_repositories_of_other_hosts_nothing_is_said() -> None:
    troubles = Troubles([CorruptedFiles(PHOTOS.id, 1, "a", START)])
    assert what_waits([], [held()], troubles, None, START) == []


def test_what_begins_to_wait_is_due_once() -> None:
    noted = noted_now({}, [one()], (), START)
    assert due_at(START, noted.values()) == [one()]
    noted = as_told(noted, noted.values(), START)
    assert due_at(START + MINUTE, noted.values()) == []
    noted = noted_now(noted, [one(message="now 51", since=START + MINUTE)], (), START + MINUTE)
    assert noted["held:1"] == one(message="now 51", told_at=START, told=1), (
        "it is the same, since the same time"
    )
    assert due_at(START + MINUTE, noted.values()) == []


def test_what_waits_still_is_due_again() -> None:
    noted = [one(told_at=START, told=1)]
    assert due_at(START + DAY - MINUTE, noted) == []
    assert due_at(START + DAY, noted) == noted
    assert due_at(START + 99 * DAY, noted, remind=None) == []


@pytest.mark.parametrize("kind", [WaitingKind.OFFLINE, WaitingKind.DEGRADED])
def test_what_may_pass_is_due_after_a_minute(kind: WaitingKind) -> None:
    noted = [one(kind)]
    assert due_at(START + MINUTE / 2, noted) == []
    assert due_at(START + MINUTE, noted) == noted


def test_what_passed_before_anybody_knew_is_forgotten() -> None:
    assert noted_now({"held:1": one()}, [], (), START) == {}


def test_those_who_know_are_told_once_that_it_is_over() -> None:
    noted = noted_now({"held:1": one(told_at=START, told=2)}, [], (), START + MINUTE)
    [over] = due_at(START + MINUTE, noted.values())
    assert Notice(over, None).is_over
    assert noted_now(noted, [], (), START + DAY) == noted, "it is over since the same time"
    assert as_told(noted, [over], START + DAY) == {}


def test_what_comes_back_before_anybody_heard_that_it_was_over_is_no_news() -> None:
    told = one(told_at=START, told=1)
    noted = noted_now({"held:1": told}, [], (), START + MINUTE)
    assert noted_now(noted, [one()], (), START + 2 * MINUTE) == {"held:1": told}


def test_what_nobody_can_tell_stays_as_it_was_noted() -> None:
    degraded = one(WaitingKind.DEGRADED, told_at=START, told=1)
    assert noted_now({degraded.key: degraded}, [], {degraded.key}, START + DAY) == {degraded.key: degraded}
    fresh = one(WaitingKind.DEGRADED)
    kinds = tuple(WaitingKind)
    assert not list(due([fresh], kinds=kinds, remind=None, open_keys={fresh.key}, now=START + DAY))


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        ("stopped", ["degraded", "offline"]),
        ("scanning", ["degraded"]),
        ("held", ["degraded"]),
        ("watching", []),
    ],
)
def test_what_a_state_leaves_open(state: str, kinds: list[str]) -> None:
    assert sorted(undecided([Standing(PHOTOS, state, "")])) == [f"{kind}:{PHOTOS.id}" for kind in kinds]


def test_only_wanted_kinds_are_due() -> None:
    noted = [one(), one(WaitingKind.DEAD_JOB)]
    found = due(noted, kinds=("dead_job",), remind=None, open_keys=(), now=START)
    assert list(found) == [noted[1]]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=30))
def test_whoever_is_told_knows_in_the_end_what_is_so(steps: list[tuple[bool, int]]) -> None:
    """Random comings and goings, with a receiver that is reached only now and then: nothing is repeated."""
    noted: dict[str, Waiting] = {}
    told: list[str] = []
    now, knows, waits = START, False, False
    in_the_end = (steps[-1][0] if steps else False, 1)
    for waits, reached in [*steps, in_the_end]:
        now += MINUTE
        noted = noted_now(noted, [one(since=now)] if waits else [], (), now)
        notices = [Notice(waiting, None) for waiting in due_at(now, noted.values(), remind=None)]
        if reached:
            for notice in notices:
                assert notice.is_over == knows, "it is told what is news"
                knows = not notice.is_over
                told.append(notice.id)
            noted = as_told(noted, [notice.waiting for notice in notices], now)
    assert knows == waits
    assert len(told) == len(set(told))
