"""What a store promises about losses, and deletions that wait for a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from treeledger.errors import UsageError
from treeledger.model import FileRecord, HashState, HoldStatus, RecordState
from treeledger.protocols import Store
from treeledger.testing.store_shelf import Shelf, change, paths_of, quiet

MINUTES = timedelta(minutes=10)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

LONG_NAME: Final = "long" * 200  # more than an index of PostgreSQL holds


def content(text: str, state: HashState = HashState.DONE) -> dict[str, Any]:
    """The fields of a record whose content is known."""
    return {"hash_state": state, "hash_algorithm": "sha256", "content_hash": text * 64}


async def lose(shelf: Shelf, *paths: str) -> list[FileRecord]:
    """Files that are missing now."""
    return await shelf.write(
        *(change(record, state=RecordState.MISSING) for record in await shelf.add(*paths))
    )


@pytest.mark.anyio
class DeletionsContract:
    async def test_nothing_gone(self, shelf: Shelf) -> None:
        await shelf.put("a")
        gone = await shelf.store.gone(shelf.id, MINUTES)
        assert gone[:4] == (0, 0, None, None)
        assert gone.now.tzinfo is UTC

    async def test_what_the_gate_needs(self, shelf: Shelf, store: Store) -> None:
        first, second = (await lose(shelf, "a"))[0], (await lose(shelf, "b"))[0]
        await lose(await Shelf.new(store), "a")
        gone = await store.gone(shelf.id, MINUTES)
        assert gone[:4] == (2, 2, first.missing_at, second.missing_at)
        assert gone.newest
        assert gone.now >= gone.newest
        await shelf.write(change(first, state=RecordState.DELETED))
        assert (await store.gone(shelf.id, MINUTES))[:3] == (1, 2, second.missing_at)
        assert (await store.gone(shelf.id, timedelta(seconds=-1))).in_window == 0
        [back] = await shelf.write(change(second, state=RecordState.PRESENT))
        assert back.missing_at is None
        assert (await store.gone(shelf.id, MINUTES))[:2] == (0, 1)

    async def test_held_losses_do_not_wait_and_decided_ones_do_not_count(self, shelf: Shelf) -> None:
        records = await lose(shelf, "a", "b", "c")
        hold = await shelf.store.open_hold(shelf.lease, gone=2, live=3, reason="too many")
        await shelf.write(*(quiet(record, held_id=hold.id) for record in records[:2]))
        assert (await shelf.store.gone(shelf.id, MINUTES))[:2] == (1, 3)
        await shelf.store.set_hold(hold.id, HoldStatus.APPROVED, by="me")
        assert (await shelf.store.gone(shelf.id, MINUTES))[:2] == (1, 1)

    async def test_gone_records_of_a_hold_or_of_none(self, shelf: Shelf, store: Store) -> None:
        a, b, c, d = await lose(shelf, "a", "b", "c", "d")
        hold = await store.open_hold(shelf.lease, gone=2, live=4, reason="")
        held = await shelf.write(quiet(a, held_id=hold.id), quiet(c, held_id=hold.id))
        free = await store.gone_records(shelf.id, held_id=None, since=None, limit=9)
        assert free == [b, d]
        assert await store.gone_records(shelf.id, held_id=hold.id, since=None, limit=9) == held
        page = await store.gone_records(shelf.id, held_id=None, since=None, limit=1, after=b.id)
        assert page == [d]

    async def test_deleted_records_of_a_span(self, shelf: Shelf, store: Store) -> None:
        a, b = await lose(shelf, "a", "b")
        [gone] = await shelf.write(change(a, state=RecordState.DELETED))
        assert gone.missing_at
        found = await store.gone_records(shelf.id, held_id=None, since=LONG_AGO, limit=9)
        assert found == [gone]
        later = gone.missing_at + timedelta(microseconds=1)
        assert await store.gone_records(shelf.id, held_id=None, since=later, limit=9) == []
        assert paths_of(await store.gone_records(shelf.id, held_id=None, since=None, limit=9)) == [b.path]

    async def test_what_is_held_by_folders(self, shelf: Shelf, store: Store) -> None:
        records = await lose(shelf, "2016/01/a", "2016/b", "2017/c", "2017.old/x", "top", "notes")
        await shelf.add("2017/kept", "2016.old", "20160")
        hold = await store.open_hold(shelf.lease, gone=6, live=9, reason="")
        assert await store.held_folders(hold) == []
        held = await shelf.write(*(quiet(record, held_id=hold.id) for record in records))
        lost = [one.missing_at for one in held]
        assert [tuple(one) for one in await store.held_folders(hold)] == [
            ("", 2, 20, False, lost[4], lost[5]),
            ("2016", 2, 20, True, lost[0], lost[1]),
            ("2017", 1, 10, False, lost[2], lost[2]),
            ("2017.old", 1, 10, True, lost[3], lost[3]),
        ]
        await shelf.write(change(held[0], state=RecordState.PRESENT, held_id=None))
        folders = {one.name: (one.files, one.is_whole) for one in await store.held_folders(hold)}
        assert folders["2016"] == (1, False)

    async def test_folders_of_any_name(self, shelf: Shelf, store: Store) -> None:
        names = [LONG_NAME, "a b", "100%", "\U0010ffff", "\u00e9", "_", "\\", "'"]
        records = await lose(shelf, *(f"{name}/file" for name in names))
        hold = await store.open_hold(shelf.lease, gone=8, live=8, reason="")
        await shelf.write(*(quiet(record, held_id=hold.id) for record in records))
        found = await store.held_folders(hold)
        assert [one.name for one in found] == sorted(names)
        assert all(one.is_whole for one in found)

    async def test_which_held_files_have_their_content_elsewhere(self, shelf: Shelf, store: Store) -> None:
        paths = ["2016/a", "2016/b", "2016/c", "2017/d", "2017/e", "top"]
        records = [await shelf.put(path, **content(path[-1])) for path in paths]
        records.append(await shelf.put("2017/unread"))
        hold = await store.open_hold(shelf.lease, gone=7, live=7, reason="")
        await shelf.write(*(change(one, state=RecordState.MISSING, held_id=hold.id) for one in records))
        assert await store.held_copies(hold) == {}
        neighbour = await Shelf.new(store)
        await shelf.put("copy of a", **content("a"))
        await shelf.put("another copy of a", **content("a"))
        await shelf.put("2018/of d", **content("d", HashState.VERIFY))
        await neighbour.put("of the top", **content("p"))
        await neighbour.put("rotten", **content("b", HashState.CORRUPTED))
        [gone] = await lose(neighbour, "gone, too")
        await neighbour.write(quiet(gone, **content("c")))
        assert await store.held_copies(hold) == {"2016": 1, "2017": 1, "": 1}
        await store.remove_repository(neighbour.id, purge=False)
        assert await store.held_copies(hold) == {"2016": 1, "2017": 1}

    async def test_a_hold_and_its_decision(self, shelf: Shelf, store: Store) -> None:
        opened = await store.open_hold(shelf.lease, gone=30, live=40, reason="an emptied root")
        assert (opened.repository_id, opened.status) == (shelf.id, HoldStatus.OPEN)
        assert (opened.gone, opened.live, opened.reason) == (30, 40, "an emptied root")
        assert (opened.decided_at, opened.decided_by) == (None, None)
        counted = await store.set_hold(opened.id, HoldStatus.OPEN, gone=35)
        assert (counted.gone, counted.decided_at) == (35, None)
        decided = await store.set_hold(opened.id, HoldStatus.REJECTED, by="me")
        assert (decided.status, decided.decided_by) == (HoldStatus.REJECTED, "me")
        assert decided.decided_at
        assert await store.holds(None, statuses=[HoldStatus.REJECTED]) == [decided]

    async def test_closed_and_unknown_holds_cannot_be_decided(self, shelf: Shelf, store: Store) -> None:
        hold = await store.open_hold(shelf.lease, gone=1, live=1, reason="")
        closed = await store.set_hold(hold.id, HoldStatus.CLOSED)
        assert closed.status is HoldStatus.CLOSED
        with pytest.raises(UsageError):
            await store.set_hold(hold.id, HoldStatus.APPROVED, by="me")
        with pytest.raises(UsageError):
            await store.set_hold(hold.id + 1, HoldStatus.APPROVED)

    async def test_holds_of_a_repository(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        first = await store.open_hold(shelf.lease, gone=1, live=1, reason="1")
        second = await store.open_hold(neighbour.lease, gone=1, live=1, reason="2")
        third = await store.open_hold(shelf.lease, gone=1, live=1, reason="3")
        assert await store.holds(shelf.id, statuses=[HoldStatus.OPEN]) == [first, third]
        assert await store.holds(None, statuses=list(HoldStatus)) == [first, second, third]
        assert await store.holds(None, statuses=[]) == []

    async def test_where_sound_files_have_a_content(self, shelf: Shelf, store: Store) -> None:
        neighbour, removed = await Shelf.new(store), await Shelf.new(store)
        for path in ("a/1", "a/2", "a/3"):
            await shelf.put(path, **content("a"))
        await neighbour.put("b", **content("b", HashState.VERIFY))
        await neighbour.put("rotten", **content("c", HashState.CORRUPTED))
        [gone] = await lose(shelf, "gone")
        await shelf.write(quiet(gone, **content("c")))
        await removed.put("removed", **content("c"))
        await store.remove_repository(removed.id, purge=False)
        found = await store.copies_of({"a" * 64, "b" * 64, "c" * 64, "d" * 64}, most=2)
        assert {hash[0]: [place.path for place in places] for hash, places in found.items()} == {
            "a": ["a/1", "a/2"],
            "b": ["b"],
        }
        assert found["b" * 64][0].repository_id == neighbour.id
        assert await store.copies_of((), most=2) == {}
