"""What `move` promises: the records of a renamed directory go along, if they are of the very same files."""

from __future__ import annotations

import pytest

from treeledger.errors import LeaseLost
from treeledger.model import (
    ChangeKind,
    File,
    FileRecord,
    HashState,
    JournalEntry,
    RecordState,
)
from treeledger.names import range_below
from treeledger.protocols import Store
from treeledger.testing.store_shelf import Shelf, change, hashed, quiet, stat

MANY = 5001  # records, more than a page of them


def below(target: str, *records: FileRecord) -> list[File]:
    """The files of some records, their directory (the first name of their paths) being at `target` now."""
    return [File(target + record.path[record.path.index("/") :], record.stat) for record in records]


async def entries(shelf: Shelf, numbers: range) -> list[JournalEntry]:
    return await shelf.store.changes(numbers.start - 1, limit=len(numbers))


@pytest.mark.anyio
class MovingContract:
    async def test_records_go_along_as_they_are(self, shelf: Shelf) -> None:
        first = await shelf.add("old/b", "old/a/c", "old/ä\U0010ff80", "old0", "older/x", "x/old/a")
        await shelf.write(hashed(first[0], "aa"))
        before = {record.path: record for record in (await shelf.files())}
        counted = await shelf.repository()
        gone = [record for path, record in before.items() if path.startswith("old/")]
        numbers = await shelf.store.move(
            shelf.lease, "old", "x/new", below("x/new", *gone), operation_id=7, generation=3
        )
        after = {record.id: record for record in (await shelf.files())}
        for record in gone:
            moved = after[record.id]
            assert moved.path == "x/new" + record.path[len("old") :]
            assert (moved.version, moved.scan_generation) == (record.version + 1, 3)
            assert moved.updated_at is not None
            assert record.updated_at is not None
            assert moved.updated_at >= record.updated_at
            assert moved.updated_at == moved.last_scanned
            assert moved[3:13] == record[3:13]
            assert (moved.missing_at, moved.deleted_at, moved.created_at) == (None, None, record.created_at)
        stayed = {r.path for r in after.values()} & before.keys()
        assert stayed == {"old0", "older/x", "x/old/a"}
        now = await shelf.repository()
        assert (now.files, now.bytes, now.missing) == (counted.files, counted.bytes, counted.missing)
        assert len(numbers) == len(gone)

    async def test_journal_tells_of_each_in_order(self, shelf: Shelf) -> None:
        records = await shelf.add("old/b", "old/a/c", "old/a0")
        [known] = await shelf.write(hashed(records[1], "aa"))
        before = (await shelf.store.head()).n
        numbers = await shelf.store.move(
            shelf.lease, "old", "n", below("n", records[0], known, records[2]), operation_id=7
        )
        assert numbers == range(before + 1, before + 4)
        assert (await shelf.store.head()).n == numbers[-1]
        told = await entries(shelf, numbers)
        assert [(entry.path, entry.path_before) for entry in told] == [
            ("n/a/c", "old/a/c"),
            ("n/a0", "old/a0"),
            ("n/b", "old/b"),
        ]
        entry = told[0]
        assert (entry.kind, entry.record_id, entry.operation_id) == (ChangeKind.MOVED, known.id, 7)
        assert entry.repository_id == shelf.id
        assert entry.stat == entry.stat_before == known.stat
        assert (entry.hash_algorithm, entry.hash, entry.hash_before) == ("sha256", "aa", "aa")
        assert {one.at for one in told} == {entry.at}
        assert [record.path for record in await shelf.files(at=entry.at)] == ["n/a/c", "n/a0", "n/b"]

    @pytest.mark.parametrize("field", range(6))
    async def test_record_of_another_stat_stays(self, shelf: Shelf, field: int) -> None:
        one, other = await shelf.add("old/a", "old/b")
        values = [*one.stat]
        values[field] += 1
        files = [File("new/a", type(one.stat)(*values)), *below("new", other)]
        assert len(await shelf.store.move(shelf.lease, "old", "new", files)) == 1
        assert await shelf.paths() == ["new/b", "old/a"]
        assert await shelf.at("old/a") == one

    async def test_only_what_was_asked_for_moves(self, shelf: Shelf) -> None:
        records = await shelf.add("old/a", "old/b", "old/c")
        files = below("new", records[0], records[2])
        await shelf.store.move(shelf.lease, "old", "new", files)
        assert await shelf.paths() == ["new/a", "new/c", "old/b"]
        stranger = File("new/d", stat())
        assert not await shelf.store.move(shelf.lease, "old", "new", [stranger])
        assert not await shelf.store.move(shelf.lease, "old", "new", [])
        assert (await shelf.store.head()).n == 5

    @pytest.mark.parametrize("state", [s for s in RecordState if s is not RecordState.PRESENT])
    async def test_only_present_records_move(self, shelf: Shelf, state: RecordState) -> None:
        record = await shelf.put("old/a")
        await shelf.write(change(record, state=state))
        assert not await shelf.store.move(shelf.lease, "old", "new", below("new", record))
        assert (await shelf.at("old/a")).state is state

    @pytest.mark.parametrize("hash_state", list(HashState))
    async def test_known_trouble_of_a_content_stays_where_it_is(
        self, shelf: Shelf, hash_state: HashState
    ) -> None:
        record = await shelf.put("old/a", hash_state=hash_state)
        numbers = await shelf.store.move(shelf.lease, "old", "new", below("new", record))
        is_trouble = hash_state in (HashState.FAILED, HashState.CORRUPTED)
        assert bool(numbers) is not is_trouble
        assert (await shelf.at("old/a" if is_trouble else "new/a")).hash_state is hash_state

    @pytest.mark.parametrize("state", list(RecordState))
    async def test_no_path_is_taken_from_a_live_record(self, shelf: Shelf, state: RecordState) -> None:
        a, b, there = await shelf.add("old/a", "old/b", "new/a")
        if state is not RecordState.PRESENT:
            [there] = await shelf.write(change(there, state=state))
        await shelf.store.move(shelf.lease, "old", "new", below("new", a, b))
        assert (await shelf.at("new/b")).id == b.id
        if state is RecordState.DELETED:
            assert (await shelf.at("new/a")).id == a.id
            assert there.id in {record.id for record in await shelf.files(states=(state,))}
        else:
            assert await shelf.at("old/a") == a
            assert await shelf.at("new/a") == there

    async def test_record_written_since_the_listing_moves_if_it_is_of_the_same_file(
        self, shelf: Shelf
    ) -> None:
        """No version is given: the transaction itself sees what the records are."""
        record = await shelf.put("old/a")
        files = below("new", record)
        await shelf.write(hashed(record, "aa"))
        await shelf.store.move(shelf.lease, "old", "new", files)
        moved = await shelf.at("new/a")
        assert (moved.id, moved.content_hash, moved.version) == (record.id, "aa", 3)

    async def test_change_of_a_record_that_went_along_conflicts(self, shelf: Shelf) -> None:
        record = await shelf.put("old/a")
        await shelf.store.move(shelf.lease, "old", "new", below("new", record))
        late = [change(record, state=RecordState.MISSING), quiet(record, stat=stat()), hashed(record, "aa")]
        for one in late:
            assert (await shelf.apply(one)).conflicts == [one]
        assert (await shelf.at("new/a")).state is RecordState.PRESENT

    async def test_more_records_than_a_page_between_two_files(self, shelf: Shelf) -> None:
        changes = [shelf.new_file(f"old/{number:05}") for number in range(MANY)]
        for start in range(0, MANY, 2500):
            await shelf.write(*changes[start : start + 2500])
        ends = [changes[0].after, changes[-1].after]
        await shelf.store.move(shelf.lease, "old", "new", below("new", *ends))
        assert await shelf.paths(*range_below("new")) == ["new/00000", f"new/{MANY - 1:05}"]

    async def test_long_paths(self, shelf: Shelf) -> None:
        name = "/".join(["ü" * 120] * 16)
        records = await shelf.add(f"old/{name}", f"old/{name}x")
        await shelf.store.move(shelf.lease, "old", "n", below("n", *records))
        assert {r.id for r in records} == {(await shelf.at(f"n/{name}{end}")).id for end in ("", "x")}

    async def test_another_repository_is_left_alone(self, shelf: Shelf, store: Store) -> None:
        theirs = await Shelf.new(store)
        record = await theirs.put("old/a")
        assert not await store.move(shelf.lease, "old", "new", below("new", record))
        assert await theirs.at("old/a") == record
        ours = await shelf.add("old/a", stat=record.stat)
        await theirs.put("new/a")
        assert len(await store.move(shelf.lease, "old", "new", below("new", *ours))) == 1
        assert await theirs.paths() == ["new/a", "old/a"]

    async def test_only_under_the_lease(self, shelf: Shelf) -> None:
        record = await shelf.put("old/a")
        await shelf.taken_over()
        with pytest.raises(LeaseLost):
            await shelf.store.move(shelf.lease, "old", "new", below("new", record))
        assert await shelf.at("old/a") == record
