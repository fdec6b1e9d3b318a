"""What a store promises about the journal: numbers without gaps, cursors, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from treeledger.errors import CursorExpired
from treeledger.model import Change, ChangeKind, OperationType, RecordState
from treeledger.protocols import Store
from treeledger.testing.store_shelf import LONG, Shelf, change, hashed, quiet, stat

FUTURE = datetime(2120, 1, 1, tzinfo=UTC)
NOTHING_LEFT = timedelta(seconds=-1)  # an age that every entry has


@pytest.mark.anyio
class JournalContract:
    async def test_new_ledger_is_empty(self, store: Store) -> None:
        head = await store.head()
        assert head.n == 0
        assert head.epoch
        assert await store.changes(0, limit=5) == []

    async def test_two_stores_on_one_ledger_share_its_epoch(self, store: Store, other: Store) -> None:
        assert (await store.head()).epoch == (await other.head()).epoch

    async def test_entry_carries_both_sides(self, shelf: Shelf) -> None:
        operation = await shelf.store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=False)
        a = await shelf.put("a")
        [b] = await shelf.write(hashed(a, "11"))
        [c] = await shelf.write(
            change(b, path="c", stat=stat(size=99), content_hash="22"), operation_id=operation.id
        )
        added, learnt, moved = await shelf.store.changes(0, limit=9)
        assert (added.kind, added.path, added.stat_before) == (ChangeKind.ADDED, "a", None)
        assert (learnt.kind, learnt.hash, learnt.hash_before) == (ChangeKind.HASHED, "11", None)
        assert (learnt.stat, learnt.stat_before, learnt.path_before) == (a.stat, a.stat, None)
        assert (moved.n, moved.record_id, moved.operation_id) == (3, a.id, operation.id)
        assert (moved.path, moved.path_before) == ("c", "a")
        assert (moved.stat, moved.stat_before) == (c.stat, a.stat)
        assert (moved.hash_algorithm, moved.hash, moved.hash_before) == ("sha256", "22", "11")
        assert moved.repository_id == shelf.id
        assert added.at <= learnt.at <= moved.at

    async def test_apply_answers_with_the_entries_of_the_journal(self, shelf: Shelf) -> None:
        applied = await shelf.apply(*(shelf.new_file(path) for path in "abc"))
        assert await shelf.store.changes(0, limit=9) == applied.entries

    async def test_quiet_changes_leave_no_entry(self, shelf: Shelf) -> None:
        a = await shelf.put("a")
        applied = await shelf.apply(quiet(a, stat=stat()), shelf.new_file("b"))
        assert [entry.path for entry in applied.entries] == ["b"]
        assert (await shelf.store.head()).n == 2

    async def test_conflicts_leave_no_entry(self, shelf: Shelf) -> None:
        a = await shelf.put("a")
        await shelf.write(quiet(a, stat=stat()))
        await shelf.apply(change(a, state=RecordState.MISSING), shelf.new_file("b"))
        assert [entry.path for entry in await shelf.store.changes(0, limit=9)] == ["a", "b"]

    @pytest.mark.parametrize("kind", list(ChangeKind))
    async def test_every_kind(self, shelf: Shelf, kind: ChangeKind) -> None:
        a = await shelf.put("a")
        await shelf.write(Change(kind, a, a))
        assert (await shelf.store.changes(1, limit=9))[0].kind is kind

    async def test_pages_and_filters(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        a = await shelf.put("a")
        await neighbour.put("x")
        await shelf.write(hashed(a, "11"))
        await neighbour.add("y", "z")

        async def numbers(after: int = 0, limit: int = 9, **given: object) -> list[int]:
            return [entry.n for entry in await store.changes(after, limit=limit, **given)]  # type: ignore[arg-type]

        assert await numbers() == [1, 2, 3, 4, 5]
        assert await numbers(2, 2) == [3, 4]
        assert await numbers(5) == []
        assert await numbers(repository_id=shelf.id) == [1, 3]
        assert await numbers(1, repository_id=neighbour.id, limit=2) == [2, 4]
        assert await numbers(record_id=a.id) == [1, 3]
        assert await numbers(newest=True, limit=2) == [4, 5]
        assert await numbers(newest=True, repository_id=shelf.id, limit=1) == [3]
        third = (await store.changes(2, limit=1))[0].at
        assert await numbers(since=third) == [3, 4, 5]
        assert await numbers(since=third, newest=True, limit=9) == [3, 4, 5]
        assert await numbers(since=FUTURE) == []

    async def test_numbers_have_no_gap_whoever_writes(
        self, store: Store, other: Store, build: Callable[[], Store]
    ) -> None:
        """A reader that follows sees every entry once, in order, while others write side by side."""
        seen: list[int] = []
        total = 3 * 8 * 2

        async def write(place: Store, name: str) -> None:
            shelf = await Shelf.new(place, name)
            for batch in range(8):
                await shelf.add(f"{batch}a", f"{batch}b")

        async def follow() -> None:
            while len(seen) < total:
                await store.wait(len(seen), LONG)
                seen.extend(entry.n for entry in await store.changes(len(seen), limit=5))

        third = build()
        await third.open()
        try:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(follow)
                    for number, place in enumerate((store, other, third)):
                        tasks.start_soon(write, place, f"writer-{number}")
        finally:
            await third.aclose()
        assert seen == list(range(1, total + 1))

    async def test_wait_ends_with_an_entry_of_another_process(self, shelf: Shelf, other: Store) -> None:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other.wait, 0, LONG)
                await shelf.put("a")

    async def test_wait_ends_at_once_or_in_time(self, shelf: Shelf, store: Store) -> None:
        await shelf.put("a")
        with anyio.fail_after(30):
            await store.wait(0, LONG)
            await store.wait(1, 0.01)

    async def test_cursor_beyond_the_head_is_of_another_history(self, shelf: Shelf, store: Store) -> None:
        await shelf.put("a")
        with pytest.raises(CursorExpired):
            await store.changes(2, limit=1)

    async def test_trimmed_journal_says_so(self, shelf: Shelf, store: Store) -> None:
        await shelf.add(*"abcde")
        assert await store.trim_journal(timedelta(hours=1), keep_after=5, limit=9) == 0
        assert await store.trim_journal(NOTHING_LEFT, keep_after=3, limit=2) == 2
        assert await store.trim_journal(NOTHING_LEFT, keep_after=3, limit=2) == 1
        assert await store.trim_journal(NOTHING_LEFT, keep_after=3, limit=2) == 0
        with pytest.raises(CursorExpired):
            await store.changes(2, limit=9)
        assert [entry.n for entry in await store.changes(3, limit=9)] == [4, 5]
        assert [entry.n for entry in await store.changes(0, limit=9, newest=True)] == [4, 5]
        assert await store.trim_journal(NOTHING_LEFT, keep_after=99, limit=9) == 2
        assert await store.changes(5, limit=9) == []
        await shelf.put("f")
        assert [entry.n for entry in await store.changes(5, limit=9)] == [6]
