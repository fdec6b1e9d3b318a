"""The jobs of actions: counted, listed a part at a time, opened, and handled, on a real engine."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import Live, stage
from support import until
from test_work_pictures import job as made
from values import NOW

from treeledger.model import Cursor, Job, JobState, NewJob
from treeledger.tui import job_texts
from treeledger.tui.rows import AT_ONCE, Mark, Rows

ERROR = "phone.example answered 404 Not Found\x1b[31m"


# --- rows, which come and go ---------------------------------------------------------------------


class Item(NamedTuple):
    id: int


def answer(there: Sequence[int], begin: Mark) -> tuple[list[Item], str | None]:
    """What the API gives behind a mark, and the cursor of what follows."""
    rest = [id for id in there if id > begin.id]
    page = [Item(id) for id in rest[:AT_ONCE]]
    return page, str(page[-1].id) if len(rest) > len(page) else None


def look(rows: Rows[Item], there: Sequence[int], place: int) -> Rows[Item]:
    """The rows after what is around a place was read again."""
    begin, pages = rows.part(place)
    for _ in range(pages):
        page, cursor = answer(there, begin)
        rows = rows.read(begin, page, cursor)
        if cursor is None:
            break
        begin = Mark(page[-1].id, cursor)
    return rows


@given(st.integers(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1000)), max_size=6))
def test_rows_are_in_order_and_true_around_the_place_that_was_read_last(
    seed: int, looks: list[tuple[int, int]]
) -> None:
    """While jobs are done here and there, and new ones come."""
    random, there, rows = Random(seed), list(range(1, 700)), Rows[Item]()
    for more, place in looks:
        around = {one.id for one in rows.items[max(0, place - 20) : place + 20]}
        rows = look(rows, there, place)
        shown = [one.id for one in rows.items]
        assert shown == sorted(set(shown))
        assert around & set(shown) <= set(there)
        ends = [mark.id for mark in rows.marks]
        assert ends == sorted(set(ends))
        there = sorted(random.sample(there, len(there) * 3 // 4))
        there += range(there[-1] + 1, there[-1] + 1 + more)


def test_going_down_reads_all_rows_and_then_knows_that_there_are_no_more() -> None:
    there, rows = list(range(1, 1001)), Rows[Item]()
    for looks in range(1, 20):
        rows = look(rows, there, len(rows.items) - 1)
        assert len(rows.items) == min(looks * AT_ONCE, 1000)
    assert rows.is_whole


def test_a_few_rows_are_read_by_one_question() -> None:
    rows = look(Rows[Item](), range(1, 50), 0)
    assert rows.part(20) == (Mark(0, None), 1)


def test_a_payload_without_end_is_told_as_far_as_anybody_reads() -> None:
    facts = dict(job_texts.facts_of(made(7, payload={"x": ["y" * 100] * 1000})))
    assert facts["not before"] == f"{NOW.astimezone():%Y-%m-%d %H:%M:%S}"
    assert len(facts["payload"]) < 51_000
    assert facts["payload"].endswith("characters more: treeledger jobs show 7")


# --- on a real engine ----------------------------------------------------------------------------


async def plan(live: Live, action: str, *jobs: NewJob) -> None:
    store = live.tree.ledger.store
    cursor = await store.action_cursor(action)
    after = Cursor("e", 1 if cursor is None else cursor.n + 1)
    assert await store.plan_jobs(action, after, jobs, after=cursor)


async def kill(live: Live, action: str, number: int) -> None:
    store = live.tree.ledger.store
    for job in await store.claim_jobs(action, "me", limit=number, seconds=600):
        await store.fail_job(job, ERROR, retry_in=None)


async def jobs(live: Live, state: JobState | None = None) -> list[Job]:
    return await live.tree.ledger.store.jobs(state=state, limit=10_000)


@pytest.mark.anyio
async def test_nothing_is_said_of_jobs_before_they_were_read() -> None:
    async with stage() as shown:
        await shown.press("7")
        await shown.until("Jobs  all actions ─+ reading …")
        assert "No job" not in shown.text


@pytest.mark.anyio
async def test_without_jobs_it_says_so(live: Live) -> None:
    await live.press("7")
    await live.until("No job: what actions have done is not kept")


@pytest.mark.anyio
async def test_they_are_counted_filtered_and_opened(live: Live) -> None:
    await plan(live, "phone", NewJob("1-7", {"changes": ["a\x1b[31mb"]}), NewJob("8-9", {}))
    await plan(live, "notes", NewJob("n", {}))
    await kill(live, "phone", 1)
    await live.press("7")
    await live.until(r"▸ all actions +2 +– +■ 1")
    await live.until(r"phone +1 +– +■ 1")
    await live.until(r"▸ +1 +phone +1-7 +■ dead +1 +–")
    await live.until(r"error +phone.example answered 404 Not Found\\x1b\[31m")
    await live.until(r'does +{"changes": \["a\\u001b\[31mb"\]}')
    await live.press("enter")
    await live.until("last error +phone.example")
    await live.press("escape", "a")
    await live.until("Jobs  notes")
    await live.until(r"▸ +3 +notes +n ")
    assert "1-7" not in live.shown.text
    await live.press("a", "f")
    await live.until("Jobs  phone  dead ─+ 1 ─")
    assert "8-9" not in live.shown.text
    await live.shown.click("#queues", offset=(5, 2))
    await live.until("Jobs  all actions  dead")


@pytest.mark.anyio
async def test_dead_ones_are_tried_again_one_or_all_of_the_action(live: Live) -> None:
    await plan(live, "phone", *(NewJob(f"{n}", {}) for n in range(5)))
    await plan(live, "notes", NewJob("n", {}))
    await kill(live, "phone", 5)
    await kill(live, "notes", 1)
    await live.press("7")
    await live.until(r"▸ +1 +phone +0 +■ dead")
    await live.until("■ 6")
    await live.press("t")
    await live.until(r"job 1: tried again now")
    await live.until("■ 5")
    assert [job.id for job in await jobs(live, JobState.WAITING)] == [1]
    await live.press("a", "a")
    await live.until("Jobs  phone")
    await live.press("T")
    await live.until(r"phone +5 +– +–")
    assert [job.action for job in await jobs(live, JobState.DEAD)] == ["notes"]


@pytest.mark.anyio
async def test_clearing_asks_and_leaves_what_is_not_meant(live: Live) -> None:
    await plan(live, "phone", *(NewJob(f"{n}", {}) for n in range(3)))
    await plan(live, "notes", NewJob("n", {}))
    await kill(live, "phone", 2)
    await live.press("7")
    await live.until(r"▸ +1 +phone +0 +■ dead")
    await live.until("■ 2")
    await live.press("C")
    await live.until("is never done")
    await live.press("escape")
    assert len(await jobs(live)) == 4
    await live.press("C", "enter")
    await live.until("job 1: dropped")
    await live.until("■ 1 ")
    await live.press("D")
    await live.until("1 dead job of all actions")
    await live.press("enter")

    async def are_left() -> bool:
        return [job.id for job in await jobs(live)] == [3, 4]

    await until(are_left, "those that wait are left")
    await live.until("▸ +3 +phone")


@pytest.mark.anyio
async def test_one_that_waits_is_done_sooner_or_later(live: Live) -> None:
    await plan(live, "phone", NewJob("a", {}))
    await live.press("7")
    await live.until("▸ +1 +phone")
    await live.press("plus", "plus")
    await live.until(r"priority \+2")
    await live.press("minus")
    await live.until(r"priority \+1 *│")
    assert [job.priority for job in await jobs(live)] == [1]


@pytest.mark.anyio
async def test_many_are_read_as_one_goes_on_and_what_is_done_vanishes(live: Live) -> None:
    await plan(live, "phone", *(NewJob(f"{n:04}", {}) for n in range(1000)))
    await live.press("7")
    await live.until("the first 200 of 1,000")
    await live.press("end")
    await live.until("the first [3-4]00 of 1,000")
    await live.press("home")
    await live.until("▸ +1 +phone +0000")
    await live.tree.ledger.store.clear_jobs([1, 2])
    await live.until("▸ +3 +phone +0002")
