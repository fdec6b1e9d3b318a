"""What waits, in words that fit any room, and in portions of any number."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from test_what_waits import WAITING
from told import FOLDERS, contents, corrupted, hold, job, problem
from values import NOW

from treeledger import wire
from treeledger.answers import JobsHandled
from treeledger.api.routing import Page
from treeledger.client import Client
from treeledger.tui import matters
from treeledger.tui.matter_texts import preview, summary
from treeledger.tui.matters import CorruptedMatter, DeadMatter, HeldMatter, Matter
from treeledger.tui.problem_texts import problem_lines
from treeledger.tui.texts import Line
from treeledger.tui.waiting_texts import in_order, title

OFFLINE, HELD, DEGRADED, CORRUPTED, DEAD = WAITING
MANY = FOLDERS * 40
MATTERS: list[tuple[wire.Waiting, Matter | None]] = [
    (OFFLINE, None),
    (HELD, None),
    (HELD, HeldMatter(hold(), contents(), "90 d")),
    (HELD, HeldMatter(hold(gone=7), contents(MANY, more_folders=12))),
    (CORRUPTED, CorruptedMatter((corrupted("a\x1b[31m" * 40), corrupted("b", "copy")), "next")),
    (DEAD, DeadMatter(tuple(job(n, "no\nroute " * 30) for n in range(200)), None)),
]


def text(lines: list[Line]) -> list[str]:
    return ["".join(piece.text for piece in line) for line in lines]


@given(
    st.sampled_from(MATTERS),
    st.integers(min_value=44, max_value=220),
    st.integers(min_value=6, max_value=70),
)
def test_a_preview_fits_any_room_and_ends_with_what_can_be_done(
    matter: tuple[wire.Waiting, Matter | None], width: int, height: int
) -> None:
    lines = text(preview(*matter, (width, height), NOW))
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    assert all(sign.isprintable() for line in lines for sign in line)
    if height > 12:
        assert lines[-1][:1] in "sCA"


def test_the_rest_is_counted_where_not_every_folder_fits() -> None:
    many = HeldMatter(hold(), contents(MANY, more_folders=12))
    lines = text(preview(HELD, many, (80, 14), NOW))
    [rest] = [line for line in lines if "enter shows all" in line]
    shown = sum(line.startswith("  20") for line in lines)
    assert rest.startswith(f"  {92 - shown} more folders with ")


@pytest.mark.parametrize(
    ("gone", "said"),
    [(68_811, ""), (70_000, "1,189 came back since. "), (68_000, "811 more went since. ")],
)
def test_what_changed_since_it_was_held_is_said(gone: int, said: str) -> None:
    lines = text(summary(HELD, HeldMatter(hold(gone=gone), contents()), 200, NOW))
    assert lines == [
        "68,811 of 118,230 files (58 %, 1.1 TB) are gone.",
        f"Seen 08:11:58 to 08:12:05, limit 1,000 or 50 %. {said}Nothing has been deleted.",
    ]


def test_a_reason_in_other_words_is_told_without_a_limit() -> None:
    lines = text(summary(HELD, HeldMatter(hold(reason="the root was emptied"), contents()), 200, NOW))
    assert lines[1].startswith("Seen 08:11:58 to 08:12:05. Nothing")


def test_decisions_come_first_and_are_counted_apart() -> None:
    assert [one.kind for one in in_order(WAITING)] == ["held", "corrupted", "offline", "degraded", "dead_job"]
    assert title(WAITING) == "Attention: 2 wait for a decision, 3 for repair"
    assert title([HELD]) == "Attention: 1 waits for a decision"
    assert title([DEAD, OFFLINE]) == "Attention: 2 wait for repair"
    assert title([]) == "Attention: nothing waits for you"


def test_the_advice_on_a_problem_is_said_however_long_its_message_is() -> None:
    one = problem("a", "corrupted", "it reads as another " * 40)
    lines = text(problem_lines(one, 60, 4))
    assert len(lines) == 4
    assert lines[2].startswith("Restore it from a copy")


class Queue:
    """A client of an engine with many dead jobs, which takes a thousand ids at a time."""

    def __init__(self, jobs: int) -> None:
        self.dead = list(range(1, jobs + 1))
        self.portions: list[int] = []

    async def get(self, route: str, kind: object, **query: Any) -> Page[wire.Job]:
        after, limit = int(query["after"] or 0), query["limit"]
        found = [id for id in self.dead if id > after]
        more = str(found[limit - 1]) if len(found) > limit else None
        return Page(items=[job(id) for id in found[:limit]], next=more)

    async def retry_jobs(self, ids: list[int]) -> JobsHandled:
        self.portions.append(len(ids))
        self.dead = [id for id in self.dead if id not in set(ids)]
        return JobsHandled(asked=len(ids), done=len(ids))

    clear_jobs = retry_jobs


@pytest.mark.anyio
@pytest.mark.parametrize("act", [matters.retry_all, matters.clear_all])
@pytest.mark.parametrize(("jobs", "portions"), [(0, []), (7, [7]), (1000, [1000]), (2001, [1000, 1000, 1])])
async def test_any_number_of_dead_jobs_is_handled_in_portions(
    act: Any, jobs: int, portions: list[int]
) -> None:
    queue = Queue(jobs)
    told: list[int] = []
    await act(cast(Client, queue), action="phone", told=lambda: told.append(len(queue.dead)))
    assert (queue.portions, queue.dead) == (portions, [])
    assert told == [jobs - sum(portions[: number + 1]) for number in range(len(portions))]
