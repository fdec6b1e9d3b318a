"""What a store promises about the work of actions: cursors, jobs, who has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio
import pytest

from treeledger.model import Cursor, Job, JobState, NewJob
from treeledger.protocols import Store
from treeledger.testing.store_shelf import LONG

START = Cursor("e", 1)


async def plan(store: Store, *jobs: NewJob, action: str = "hook") -> None:
    assert await store.plan_jobs(action, START, jobs, after=await store.action_cursor(action))


async def claim(store: Store, owner: str = "me", limit: int = 99, **given: float) -> list[Job]:
    return await store.claim_jobs("hook", owner, limit=limit, seconds=given.get("seconds", LONG))


def keys(jobs: Sequence[Job]) -> list[str]:
    return [job.key for job in jobs]


@pytest.mark.anyio
class JobsContract:
    async def test_cursor_moves_with_the_jobs(self, store: Store) -> None:
        assert await store.action_cursor("hook") is None
        job = NewJob("a", {"x": [1, "é", None]}, priority=2)
        assert await store.plan_jobs("hook", Cursor("e", 3), [job], after=None)
        assert await store.plan_jobs("other", Cursor("e", 9), [], after=None)
        assert await store.action_cursor("hook") == Cursor("e", 3)
        [planned] = await store.jobs(limit=9)
        assert (planned.action, planned.key, planned.payload) == ("hook", "a", job.payload)
        assert (planned.state, planned.priority, planned.tries) == (JobState.WAITING, 2, 0)
        assert planned.not_before == planned.created_at
        assert await store.plan_jobs("hook", Cursor("f", 1), [], after=Cursor("e", 3))
        assert await store.action_cursor("hook") == Cursor("f", 1)

    async def test_changes_are_planned_once_whoever_plans(self, store: Store) -> None:
        for after in (None, Cursor("e", 3)):
            planned = [
                await store.plan_jobs("hook", Cursor("e", 3 if after is None else 5), [job], after=after)
                for job in (NewJob("a", {"first": True}), NewJob("a", {"first": False}), NewJob("b", {}))
            ]
            assert planned == [True, False, False]
            [job] = await claim(store)
            assert (job.key, job.payload) == ("a", {"first": True})
            await store.finish_jobs([job])
        assert await store.action_cursor("hook") == Cursor("e", 5)
        assert not await store.plan_jobs("hook", Cursor("f", 6), [], after=Cursor("f", 5))
        assert not await store.plan_jobs("new", Cursor("e", 6), [], after=Cursor("e", 5))
        assert await store.action_cursor("new") is None

    async def test_of_waiting_jobs_with_one_key_the_newest_stays(self, store: Store) -> None:
        await plan(store, NewJob("a", {"n": 1}), NewJob("a", {"n": 2}), NewJob("b", {}))
        await plan(store, NewJob("a", {"n": 3}, priority=5))
        await plan(store, NewJob("a", {}), action="other")
        first, second = await claim(store)
        assert (first.key, first.payload, first.priority) == ("a", {"n": 3}, 5)
        assert second.key == "b"

    async def test_a_running_job_is_not_replaced(self, store: Store) -> None:
        await plan(store, NewJob("a", {"n": 1}))
        [running] = await claim(store)
        await plan(store, NewJob("a", {"n": 2}))
        assert [job.payload for job in await claim(store)] == [{"n": 2}]
        await store.finish_jobs([running])
        assert len(await store.jobs(limit=9)) == 1

    async def test_highest_priority_first_then_oldest_and_only_what_is_due(self, store: Store) -> None:
        await plan(store, NewJob("low", {}), NewJob("later", {}, priority=9, delay=LONG))
        await plan(store, NewJob("high", {}, priority=1), NewJob("low2", {}))
        assert keys(await claim(store, limit=2)) == ["high", "low"]
        assert keys(await claim(store)) == ["low2"]
        assert await claim(store) == []

    async def test_claims_of_two_owners_are_disjoint(self, store: Store, other: Store) -> None:
        await plan(store, *(NewJob(str(number), {}) for number in range(60)))
        taken: list[Job] = []

        async def work(place: Store, owner: str) -> None:
            while jobs := await claim(place, owner, limit=7):
                taken.extend(jobs)

        async with anyio.create_task_group() as tasks:
            for place, owner in ((store, "a"), (other, "b"), (store, "c"), (other, "d")):
                tasks.start_soon(work, place, owner)
        assert len(taken) == 60
        assert len({job.id for job in taken}) == 60
        assert all(job.state is JobState.RUNNING and job.tries == 1 and job.lease_until for job in taken)

    async def test_a_lease_that_ended_is_claimed_again(self, store: Store) -> None:
        await plan(store, NewJob("a", {}))
        [first] = await claim(store, "dead", seconds=-1)
        [second] = await claim(store, "alive")
        assert (second.id, second.tries) == (first.id, 2)
        await store.finish_jobs([first])
        await store.fail_job(first, "too late", retry_in=None)
        [still] = await store.jobs(limit=9)
        assert still.state is JobState.RUNNING
        assert await store.renew_jobs([first, second], LONG) == await store.jobs(limit=9)
        await store.finish_jobs([second])
        assert await store.jobs(limit=9) == []
        assert await store.renew_jobs([second], LONG) == []

    async def test_ordered_claims_wait_for_the_oldest(self, store: Store) -> None:
        async def next_one(seconds: float = LONG) -> list[str]:
            found = await store.claim_jobs("hook", "me", limit=9, seconds=seconds, ordered=True)
            return keys(found)

        await plan(store, NewJob("a", {}, delay=LONG), NewJob("b", {}, priority=9))
        assert await next_one() == []
        await plan(store, NewJob("a", {}))
        assert await next_one(-1) == ["a"]
        assert await next_one() == ["a"], "its lease has ended"
        assert await next_one() == [], "somebody has it"
        [running] = await store.jobs(state=JobState.RUNNING, limit=9)
        await store.fail_job(running, "x", retry_in=None)
        assert await next_one() == ["b"]

    async def test_failed_job_waits_and_then_dies(self, store: Store) -> None:
        await plan(store, NewJob("a", {}))
        [job] = await claim(store)
        await store.fail_job(job, "HTTP 500", retry_in=LONG)
        [waiting] = await store.jobs(limit=9)
        assert (waiting.state, waiting.last_error, waiting.tries) == (JobState.WAITING, "HTTP 500", 1)
        assert waiting.not_before > job.not_before
        assert waiting.lease_until is None
        assert await claim(store) == []
        await plan(store, NewJob("a", {}))
        [again] = await claim(store)
        await store.fail_job(again, "HTTP 501", retry_in=None)
        [dead] = await store.jobs(state=JobState.DEAD, limit=9)
        assert (dead.id, dead.last_error) == (job.id, "HTTP 501")
        assert await claim(store) == []

    async def test_failed_job_gives_way_to_a_newer_one(self, store: Store) -> None:
        await plan(store, NewJob("a", {"n": 1}))
        [job] = await claim(store)
        await plan(store, NewJob("a", {"n": 2}))
        await store.fail_job(job, "x", retry_in=0)
        [left] = await store.jobs(limit=9)
        assert left.payload == {"n": 2}

    async def test_dead_jobs_are_tried_again(self, store: Store) -> None:
        for payload in ({"n": 1}, {"n": 2}):
            await plan(store, NewJob("a", payload), NewJob("b", payload))
            for job in await claim(store):
                await store.fail_job(job, "x", retry_in=None)
        dead = await store.jobs(action="hook", state=JobState.DEAD, limit=9)
        assert len(dead) == 4
        assert await store.retry_jobs([job.id for job in dead]) == 4
        jobs = await claim(store)
        assert sorted((job.key, job.payload["n"], job.tries) for job in jobs) == [("a", 2, 1), ("b", 2, 1)]
        assert await store.retry_jobs([jobs[0].id]) == 0

    async def test_jobs_are_cleared(self, store: Store) -> None:
        await plan(store, NewJob("a", {}), NewJob("b", {}))
        first, second = await store.jobs(limit=9)
        assert await store.clear_jobs([first.id, second.id + 1]) == 1
        assert await store.jobs(limit=9) == [second]

    async def test_jobs_by_action_and_state(self, store: Store) -> None:
        await plan(store, NewJob("a", {}), NewJob("b", {}))
        await plan(store, NewJob("c", {}), action="other")
        await claim(store, limit=1)
        assert keys(await store.jobs(limit=9)) == ["a", "b", "c"]
        assert keys(await store.jobs(action="hook", limit=1)) == ["a"]
        assert keys(await store.jobs(state=JobState.WAITING, limit=9)) == ["b", "c"]
        assert keys(await store.jobs(action="hook", state=JobState.RUNNING, limit=9)) == ["a"]

    async def test_jobs_of_one_kind_are_those_among_all(self, store: Store) -> None:
        actions = ("hook", "other", "third")
        for number in range(12):
            await plan(store, NewJob(f"{number}", {}), action=actions[number % 3])
        for action in actions:
            running = await store.claim_jobs(action, "me", limit=3, seconds=LONG)
            await store.fail_job(running[1], "x", retry_in=None)
        everyone = await store.jobs(limit=99)
        assert len(everyone) == 12
        for of in (None, *actions):
            for state in (None, *JobState):
                kind = [job for job in everyone if of in (None, job.action) and state in (None, job.state)]
                assert kind
                assert await store.jobs(action=of, state=state, limit=99) == kind
                assert await store.jobs(action=of, state=state, limit=2) == kind[:2]
                assert await store.jobs(action=of, state=state, limit=2, after=kind[0].id) == kind[1:3]
        assert await store.jobs(action="unknown", limit=9) == []

    async def test_brief_jobs_have_no_payload(self, store: Store) -> None:
        await plan(store, NewJob("a", {"n": 1}), NewJob("b", {"n": 2}))
        await claim(store, limit=1)
        for state in (None, JobState.WAITING, JobState.RUNNING, JobState.DEAD):
            full = await store.jobs(state=state, limit=9)
            brief = await store.jobs(state=state, limit=9, brief=True)
            assert brief == [replace(job, payload={}) for job in full]

    async def test_jobs_page_by_page_while_some_come_and_go(self, store: Store) -> None:
        await plan(store, *(NewJob(f"old{n}", {}) for n in range(5)))
        first = await store.jobs(limit=2)
        await store.clear_jobs([first[1].id])
        await plan(store, NewJob("new", {}))
        rest = await store.jobs(limit=9, after=first[1].id)
        assert keys([*first, *rest]) == ["old0", "old1", "old2", "old3", "old4", "new"]
        assert keys(await store.jobs(action="hook", limit=9, after=rest[-2].id)) == ["new"]
        assert await store.jobs(limit=9, after=rest[-1].id) == []

    async def test_jobs_are_counted_by_action_and_state(self, store: Store) -> None:
        assert await store.count_jobs() == []
        await plan(store, NewJob("a", {}), NewJob("b", {}), NewJob("c", {}))
        await plan(store, NewJob("a", {}), action="other")
        [job] = await claim(store, limit=1)
        await store.fail_job(job, "x", retry_in=None)
        counts = {(action, state): count for action, state, count in await store.count_jobs()}
        assert counts == {
            ("hook", JobState.WAITING): 2,
            ("hook", JobState.DEAD): 1,
            ("other", JobState.WAITING): 1,
        }

    async def test_what_waits_is_given_another_priority(self, store: Store) -> None:
        await plan(store, NewJob("a", {}), NewJob("b", {}), NewJob("c", {}, priority=5))
        [running] = await claim(store, limit=1)
        jobs = {job.key: job for job in await store.jobs(limit=9)}
        assert running.key == "c"
        assert await store.prioritize_jobs([jobs["b"].id, running.id, 10**6], 9) == 1
        assert await store.prioritize_jobs([], 9) == 0
        assert [(job.key, job.priority) for job in await claim(store)] == [("b", 9), ("a", 0)]

    async def test_longest_keys(self, store: Store) -> None:
        key = "é漢\U0010ffab" * 1300
        await plan(store, NewJob(key, {}), NewJob(key, {"n": 2}), NewJob(key + "x", {}))
        assert [job.payload for job in await claim(store)] == [{"n": 2}, {}]
