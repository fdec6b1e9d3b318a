"""What a store promises about counting what is left to do and what is wrong."""

from __future__ import annotations

import pytest

from treeledger.model import Cursor, HashState, NewJob, Problem, ProblemCode, RecordState
from treeledger.protocols import Store, Tally
from treeledger.testing.store_shelf import Shelf, change, hashed


@pytest.mark.anyio
class TalliesContract:
    async def test_of_nothing_nothing_is_counted(self, store: Store) -> None:
        assert await store.tally() == Tally({}, {}, {}, {})

    async def test_contents_that_are_to_be_read_are_counted_by_repository(
        self, shelf: Shelf, store: Store
    ) -> None:
        neighbour = await Shelf.new(store)
        await neighbour.add("a")
        done, failed, verify, gone, *_ = await shelf.add("a", "b", "c", "d", "e", "f")
        await shelf.write(
            hashed(done, "1"),
            change(failed, hash_state=HashState.FAILED),
            change(verify, hash_state=HashState.VERIFY, hash_algorithm="sha256", content_hash="2"),
            change(gone, state=RecordState.MISSING),
        )
        assert (await store.tally()).unread == {
            (shelf.id, HashState.PENDING): 2,
            (shelf.id, HashState.FAILED): 1,
            (shelf.id, HashState.VERIFY): 1,
            (neighbour.id, HashState.PENDING): 1,
        }

    async def test_problems_and_dirty_subtrees_are_counted_by_repository(
        self, shelf: Shelf, store: Store
    ) -> None:
        codes = {"a": ProblemCode.UNREADABLE, "b": ProblemCode.UNREADABLE, "c": ProblemCode.SYMLINK}
        await store.report_problems(shelf.id, [Problem(path, code, "") for path, code in codes.items()])
        await store.mark_dirty(shelf.id, [("a", "x"), ("b", "x")])
        tally = await store.tally()
        assert tally.dirty == {shelf.id: 2}
        assert tally.problems == {
            (shelf.id, ProblemCode.UNREADABLE): 2,
            (shelf.id, ProblemCode.SYMLINK): 1,
        }

    async def test_how_far_actions_have_read(self, store: Store) -> None:
        await store.plan_jobs("post", Cursor("e", 3), [NewJob("a", {})], after=None)
        await store.plan_jobs("other", Cursor("f", 9), [], after=None)
        assert (await store.tally()).cursors == {"post": Cursor("e", 3), "other": Cursor("f", 9)}
