"""What a store promises about dirty subtrees and problems."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from treeledger.errors import RepositoryNotFound
from treeledger.model import Problem, ProblemCode
from treeledger.protocols import FIRST_PROBLEM, ProblemPlace, Store
from treeledger.testing.store_shelf import Shelf

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
LONGEST = "é漢" * 2000


def unreadable(path: str, message: str = "denied") -> Problem:
    return Problem(path, ProblemCode.UNREADABLE, message)


@pytest.mark.anyio
class MarksContract:
    async def test_marks_are_new_each_time(self, shelf: Shelf, store: Store) -> None:
        await store.mark_dirty(shelf.id, [("a", "overflow"), ("", "unclean stop"), (LONGEST, "x")])
        first = await store.dirty(shelf.id)
        assert [(dirty.prefix, dirty.reason) for dirty in first] == [
            ("a", "overflow"),
            ("", "unclean stop"),
            (LONGEST, "x"),
        ]
        await store.mark_dirty(shelf.id, [("a", "watch limit")])
        second = {dirty.prefix: dirty for dirty in await store.dirty(shelf.id)}
        assert len(second) == 3
        assert second["a"].mark > first[0].mark
        assert second["a"].reason == "watch limit"

    async def test_scan_clears_only_the_mark_it_saw(self, shelf: Shelf, store: Store) -> None:
        await store.mark_dirty(shelf.id, [("a", "1"), ("b", "1")])
        seen = await store.dirty(shelf.id)
        await store.mark_dirty(shelf.id, [("a", "2")])
        await store.clear_dirty(shelf.id, seen)
        [left] = await store.dirty(shelf.id)
        assert (left.prefix, left.reason) == ("a", "2")
        await store.clear_dirty(shelf.id, [left])
        assert await store.dirty(shelf.id) == []
        await store.mark_dirty(shelf.id, [("a", "3")])
        await store.clear_dirty(shelf.id, [*seen, left])
        assert [dirty.reason for dirty in await store.dirty(shelf.id)] == ["3"]

    async def test_marks_belong_to_a_repository(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        await store.mark_dirty(shelf.id, [("a", "1")])
        await store.mark_dirty(shelf.id, [])
        assert await store.dirty(neighbour.id) == []
        with pytest.raises(RepositoryNotFound):
            await store.mark_dirty(uuid4(), [("a", "1")])

    async def test_problem_keeps_when_it_was_first_seen(self, shelf: Shelf, store: Store) -> None:
        await store.report_problems(shelf.id, [unreadable("a", "one")])
        await store.report_problems(shelf.id, [unreadable("a", "two")])
        [known] = await store.problems(shelf.id, notes=False, limit=9)
        assert known.problem == unreadable("a", "two")
        assert known.repository_id == shelf.id
        assert known.first_seen < known.last_seen

    async def test_healthy_paths_are_forgotten(self, shelf: Shelf, store: Store) -> None:
        others = [Problem("a", ProblemCode.IO_ERROR, ""), unreadable("a/b"), unreadable(LONGEST)]
        await store.report_problems(shelf.id, [unreadable("a"), *others])
        assert len(await store.problems(shelf.id, notes=False, limit=9)) == 4
        await store.report_problems(shelf.id, [unreadable("c")], healthy=["a", LONGEST])
        left = {known.problem.path for known in await store.problems(shelf.id, notes=False, limit=9)}
        assert left == {"a/b", "c"}

    async def test_notes_are_shown_when_asked_for(self, shelf: Shelf, store: Store) -> None:
        note = Problem("link", ProblemCode.SYMLINK, "-> a")
        await store.report_problems(shelf.id, [note, unreadable("a")])
        assert [known.problem for known in await store.problems(None, notes=False, limit=9)] == [
            unreadable("a")
        ]
        assert len(await store.problems(None, notes=True, limit=9)) == 2
        assert len(await store.problems(None, notes=True, limit=1)) == 1
        assert await store.problems((await Shelf.new(store)).id, notes=True, limit=9) == []

    async def test_problems_page_by_page_while_they_are_seen_again(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        note = Problem("b", ProblemCode.SYMLINK, "")
        mine = [
            unreadable("a"),
            Problem("a", ProblemCode.IO_ERROR, ""),
            note,
            unreadable("c"),
            unreadable("é"),
        ]
        await store.report_problems(shelf.id, mine)
        await store.report_problems(neighbour.id, [unreadable("a")])
        found = await store.problems(None, notes=True, limit=1, after=FIRST_PROBLEM)
        while page := await store.problems(None, notes=True, limit=1, after=ProblemPlace.of(found[-1])):
            found += page
            await store.report_problems(shelf.id, mine, healthy=["c"])
            await store.report_problems(neighbour.id, [unreadable("a", "again")])
        places = [ProblemPlace.of(known) for known in found]
        assert len(places) == 6
        assert places == sorted(places, key=lambda place: (str(place.repository_id), *place[1:]))
        without = await store.problems(shelf.id, notes=False, limit=9, after=ProblemPlace(shelf.id, "a", "z"))
        for after in (None, FIRST_PROBLEM):
            broken = await store.problems(None, notes=False, limit=9, after=after, code=ProblemCode.IO_ERROR)
            assert [ProblemPlace.of(known)[1:] for known in broken] == [("a", "io_error")]
        assert [known.problem.path for known in without] == ["c", "é"]

    async def test_a_scan_forgets_what_it_did_not_see_again(self, shelf: Shelf, store: Store) -> None:
        paths = ["d", "d.txt", "d/x", "d/hidden", "d/hidden/y", "other"]
        await store.report_problems(shelf.id, [unreadable(path) for path in paths])
        await store.forget_problems(shelf.id, "d", PAST, [])
        assert len(await store.problems(shelf.id, notes=True, limit=9)) == 6
        await store.forget_problems(shelf.id, "d", FUTURE, ["d/hidden"])
        left = {known.problem.path for known in await store.problems(shelf.id, notes=True, limit=9)}
        assert left == {"d.txt", "d/hidden", "d/hidden/y", "other"}
        await store.forget_problems(shelf.id, "", FUTURE, [])
        assert await store.problems(shelf.id, notes=True, limit=9) == []

    @pytest.mark.parametrize("code", list(ProblemCode))
    async def test_every_code(self, shelf: Shelf, store: Store, code: ProblemCode) -> None:
        problem = Problem("a\n\U0010ff80", code, "what the system said: é")
        await store.report_problems(shelf.id, [problem])
        assert [known.problem for known in await store.problems(shelf.id, notes=True, limit=9)] == [problem]
