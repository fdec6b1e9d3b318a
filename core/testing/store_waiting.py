"""What a store promises about what waits for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from treeledger.model import Cursor, NewJob, Problem, ProblemCode
from treeledger.protocols import Store
from treeledger.testing.store_shelf import LONG, Shelf
from treeledger.waiting import Troubles, Waiting, WaitingKind

_AT = datetime(2026, 11, 21, 8, 30, 1, 234567, tzinfo=UTC)
_DEAD = Waiting("dead_job:phone", WaitingKind.DEAD_JOB, None, "phone: é\n\U0010ff80 'x'", _AT)


@pytest.mark.anyio
class WaitingContract:
    async def test_notes_are_kept_as_they_were_given(self, shelf: Shelf, store: Store, other: Store) -> None:
        offline = Waiting(
            f"offline:{shelf.id}", WaitingKind.OFFLINE, shelf.id, "x", _AT - timedelta(1), _AT, 3
        )
        assert await store.waiting() == []
        await store.note_waiting([_DEAD, offline], [])
        assert await other.waiting() == [offline, _DEAD]

    @pytest.mark.parametrize("kind", list(WaitingKind))
    async def test_every_kind_of_waiting(self, store: Store, kind: WaitingKind) -> None:
        one = replace(_DEAD, key=f"{kind}:1", kind=kind)
        await store.note_waiting([one], [])
        assert await store.waiting() == [one]

    async def test_a_note_takes_the_place_of_the_one_with_its_key(self, store: Store) -> None:
        await store.note_waiting([_DEAD], [])
        now = replace(_DEAD, message="2 jobs", told_at=_AT, told=1)
        await store.note_waiting([now], [])
        assert await store.waiting() == [now]

    async def test_what_is_over_is_listed_only_if_asked_for_until_it_is_forgotten(self, store: Store) -> None:
        over = replace(_DEAD, told_at=_AT, told=1, over_at=_AT)
        other = replace(_DEAD, key="dead_job:mail", since=_AT + timedelta(1))
        await store.note_waiting([over, other], [])
        assert await store.waiting() == [other]
        assert await store.waiting(over=True) == [over, other]
        await store.note_waiting([replace(other, told=1)], [over.key, "dead_job:nonesuch"])
        assert await store.waiting(over=True) == [replace(other, told=1)]

    async def test_corrupted_files_are_counted_by_repository(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        assert await store.troubles() == Troubles([], [])
        rotten = [Problem(path, ProblemCode.CORRUPTED, "") for path in ("b", "a", "c")]
        await store.report_problems(shelf.id, [*rotten, Problem("d", ProblemCode.UNREADABLE, "")])
        await store.report_problems(neighbour.id, rotten[:1])
        found = {one.repository_id: one for one in (await store.troubles()).corrupted}
        assert {id: one[1:3] for id, one in found.items()} == {shelf.id: (3, "a"), neighbour.id: (1, "b")}
        first = min(one.first_seen for one in await store.problems(shelf.id, notes=False, limit=9))
        assert found[shelf.id].since == first

    async def test_dead_jobs_are_counted_by_action_with_the_last_error(self, store: Store) -> None:
        cursor = Cursor("e", 1)
        await store.plan_jobs("phone", cursor, [NewJob(key, {}) for key in "abc"], after=None)
        await store.plan_jobs("mail", cursor, [NewJob("a", {})], after=None)
        jobs = await store.claim_jobs("phone", "me", limit=9, seconds=LONG)
        for job in sorted(jobs, key=lambda job: job.id)[:2]:
            await store.fail_job(job, f"HTTP 410 of {job.key}", retry_in=None)
        [dead] = (await store.troubles()).dead
        assert dead[:3] == ("phone", 2, "HTTP 410 of b")
        assert dead.since == jobs[0].created_at
