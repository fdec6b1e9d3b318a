"""What `apply` promises: versions, paths, stamps, all or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from treeledger.errors import LeaseLost, StoreDataError
from treeledger.model import (
    INT64_MAX,
    Change,
    ChangeKind,
    FileRecord,
    HashState,
    OperationType,
    RecordState,
)
from treeledger.protocols import Store
from treeledger.testing.store_shelf import Shelf, change, hashed, quiet, stat

MISSING, DELETED, PRESENT = RecordState.MISSING, RecordState.DELETED, RecordState.PRESENT
SOME_TIME = datetime(2026, 11, 20, 8, 30, 0, 123456, tzinfo=UTC)
BAD_RECORDS: dict[str, dict[str, Any]] = {
    "NUL in a path": {"path": "a\0b"},
    "lone surrogate": {"path": "a\udcffb"},
    "integer too large": {"stat": stat(size=INT64_MAX + 1)},
    "integer too small": {"stat": stat(mtime_ns=-(2**63) - 1)},
    "lone surrogate in a hash": {"content_hash": "\ud800", "hash_state": HashState.DONE},
}
MOVED_WITH: dict[str, dict[str, Any]] = {
    "nothing": {},
    "ctime and mode": {"ctime_ns": 5, "mode": 0o100600},
    "size": {"size": 99},
    "mtime": {"mtime_ns": 5},
    "file system": {"file_system": 7},
    "inode": {"inode": 2**40},
    "a content to be verified": {"hash_state": HashState.VERIFY, "ctime_ns": 5},
    "another content": {"content_hash": "bb", "read_at": SOME_TIME, "size": 99},
    "another try": {"hash_tries": 2, "hash_retry_at": SOME_TIME, "last_verified": SOME_TIME},
    "another algorithm": {"hash_algorithm": "blake3"},
}
NAMES = ("a", "b", "c", "d", "e")


@pytest.mark.anyio
class ApplyContract:
    async def test_new_record_is_stamped_and_kept_whole(self, shelf: Shelf) -> None:
        given = FileRecord(
            0,
            shelf.id,
            "2024/a.jpg",
            stat(size=0, inode=INT64_MAX, mtime_ns=-1),
            RecordState.PRESENT,
            HashState.FAILED,
            "blake3",
            "00ff",
            hash_tries=3,
            hash_retry_at=SOME_TIME,
            read_at=SOME_TIME,
            last_verified=SOME_TIME,
        )
        [record] = await shelf.write(Change(ChangeKind.ADDED, None, given), generation=7)
        assert record.id > 0
        assert record.version == 1
        assert record.scan_generation == 7
        assert record.created_at == record.updated_at == record.last_scanned
        assert record.missing_at is record.deleted_at is None
        assert await shelf.at("2024/a.jpg") == record
        assert await shelf.store.record(record.id) == record
        assert record[1:13] == given[1:13]

    async def test_update_raises_the_version_and_keeps_id_and_birth(self, shelf: Shelf) -> None:
        first = await shelf.put("a")
        [second] = await shelf.write(change(first, stat=stat(size=11)), generation=2)
        assert (second.id, second.version, second.created_at) == (first.id, 2, first.created_at)
        assert (second.scan_generation, second.stat.size) == (2, 11)
        assert first.updated_at
        assert second.updated_at
        assert second.updated_at >= first.updated_at
        assert await shelf.at("a") == second

    async def test_generation_of_a_record_never_falls(self, shelf: Shelf) -> None:
        [first] = await shelf.write(shelf.new_file("a"), generation=5)
        [second] = await shelf.write(hashed(first, "aa"))
        assert second.scan_generation == 5

    async def test_loss_and_return_are_stamped(self, shelf: Shelf) -> None:
        present = await shelf.put("a")
        [missing] = await shelf.write(change(present, state=MISSING))
        assert missing.missing_at == missing.updated_at
        [deleted] = await shelf.write(change(missing, state=DELETED))
        assert deleted.missing_at == missing.missing_at
        assert deleted.deleted_at == deleted.updated_at
        [again] = await shelf.write(change(deleted, state=MISSING))
        assert (again.missing_at, again.deleted_at) == (missing.missing_at, None)
        [back] = await shelf.write(change(again, state=PRESENT))
        assert back.missing_at is None
        [hard] = await shelf.write(change(back, state=DELETED))
        assert hard.missing_at == hard.deleted_at == hard.updated_at
        [ignored] = await shelf.write(change(hard, state=RecordState.IGNORED))
        assert ignored.missing_at is ignored.deleted_at is None
        assert await shelf.at("a") == ignored

    async def test_only_what_is_gone_belongs_to_a_hold(self, shelf: Shelf) -> None:
        present = await shelf.put("a")
        [held] = await shelf.write(change(present, state=MISSING, held_id=4))
        assert held.held_id == 4
        [back] = await shelf.write(change(held, state=PRESENT))
        assert back.held_id is None

    async def test_change_of_another_version_conflicts(self, shelf: Shelf) -> None:
        old = await shelf.put("a")
        [new] = await shelf.write(quiet(old, stat=stat()))
        stale, fresh = change(old, state=MISSING), shelf.new_file("b")
        applied = await shelf.apply(stale, fresh)
        assert applied.conflicts == [stale]
        assert [record.path for record in applied.records] == ["b"]
        assert await shelf.at("a") == new

    async def test_record_of_another_repository_conflicts(self, shelf: Shelf, store: Store) -> None:
        theirs = await (await Shelf.new(store)).put("a")
        stranger = change(theirs, state=MISSING)
        assert (await shelf.apply(stranger)).conflicts == [stranger]
        assert await store.record(theirs.id) == theirs

    async def test_second_change_of_one_record_conflicts(self, shelf: Shelf) -> None:
        record = await shelf.put("a")
        first, second = quiet(record, stat=stat()), change(record, state=MISSING)
        assert (await shelf.apply(first, second)).conflicts == [second]

    async def test_new_record_at_a_live_path_conflicts(self, shelf: Shelf) -> None:
        await shelf.add("present", "missing", "ignored")
        await shelf.write(change(await shelf.at("missing"), state=MISSING))
        await shelf.write(change(await shelf.at("ignored"), state=RecordState.IGNORED))
        rivals = [shelf.new_file(path) for path in ("present", "missing", "ignored")]
        assert (await shelf.apply(*rivals)).conflicts == rivals

    async def test_path_of_a_deleted_record_is_free(self, shelf: Shelf) -> None:
        old = await shelf.put("a")
        [deleted] = await shelf.write(change(old, state=DELETED))
        new = await shelf.put("a")
        assert new.id != deleted.id
        assert await shelf.at("a") == new
        restored = change(deleted, state=PRESENT)
        assert (await shelf.apply(restored)).conflicts == [restored]
        still_missing = change(deleted, state=MISSING)
        assert (await shelf.apply(still_missing)).conflicts == [still_missing]

    async def test_deleted_record_is_restored_with_its_id(self, shelf: Shelf) -> None:
        old = await shelf.put("a")
        [deleted] = await shelf.write(change(old, state=DELETED))
        [restored] = await shelf.write(Change(ChangeKind.RESTORED, deleted, deleted._replace(state=PRESENT)))
        assert restored.id == old.id
        assert await shelf.paths() == ["a"]

    async def test_records_of_one_batch_cannot_share_a_path(self, shelf: Shelf) -> None:
        first, second = shelf.new_file("a"), shelf.new_file("a")
        assert (await shelf.apply(first, second)).conflicts == [second]

    @pytest.mark.parametrize(
        "moves",
        ["ab ba", "ab bc ca", "ab bc cd de ex", "ex de cd bc ab", "ab bx", "ab ba cd dc"],
        ids=["swap", "cycle", "chain", "chain from its end", "two steps", "two swaps"],
    )
    async def test_moves_may_swap_cycle_and_follow_each_other(self, shelf: Shelf, moves: str) -> None:
        before = {record.path: record for record in await shelf.add(*NAMES)}
        pairs = [(move[0], move[1]) for move in moves.split()]
        records = await shelf.write(*(change(before[old], path=new) for old, new in pairs))
        assert [record.path for record in records] == [new for _, new in pairs]
        for old, new in pairs:
            assert (await shelf.at(new)).id == before[old].id
        assert len(await shelf.keys()) == len(NAMES)

    @pytest.mark.parametrize("fields", MOVED_WITH.values(), ids=MOVED_WITH)
    async def test_what_changes_with_a_move_is_kept_whole(self, shelf: Shelf, fields: dict[str, Any]) -> None:
        [before] = await shelf.write(hashed(await shelf.put("a"), "aa"))
        of_stat = {name: value for name, value in fields.items() if name in before.stat._fields}
        of_record = {name: value for name, value in fields.items() if name not in of_stat}
        after = before._replace(path="b", stat=before.stat._replace(**of_stat), **of_record)
        [moved] = await shelf.write(Change(ChangeKind.MOVED, before, after))
        assert moved[1:13] == after[1:13]
        assert await shelf.at("b") == moved
        assert await shelf.store.record(before.id) == moved

    async def test_move_onto_a_record_that_stays_conflicts(self, shelf: Shelf) -> None:
        a, b = await shelf.add("a", "b")
        move = change(a, path="b")
        assert (await shelf.apply(move)).conflicts == [move]
        both = [move, quiet(b, stat=stat())]
        assert (await shelf.apply(*both)).conflicts == [move]

    async def test_conflict_holds_up_the_moves_behind_it(self, shelf: Shelf) -> None:
        a, b, _ = await shelf.add("a", "b", "c")
        chain = [change(a, path="b"), change(b, path="c")]
        applied = await shelf.apply(*chain, shelf.new_file("d"))
        assert applied.conflicts == chain
        assert await shelf.paths() == ["a", "b", "c", "d"]

    async def test_move_onto_a_record_that_ends_in_the_batch(self, shelf: Shelf) -> None:
        a, b = await shelf.add("a", "b")
        moved, ended = await shelf.write(change(a, path="b"), change(b, state=DELETED))
        assert (moved.path, ended.path) == ("b", "b")
        assert await shelf.at("b") == moved
        assert await shelf.store.record(b.id) == ended

    async def test_new_record_where_another_has_left(self, shelf: Shelf) -> None:
        a = await shelf.put("a")
        moved, new = await shelf.write(change(a, path="b"), shelf.new_file("a"))
        assert (moved.id, new.id) == (a.id, (await shelf.at("a")).id)
        ended, newer = await shelf.write(change(moved, state=DELETED), shelf.new_file("b"))
        assert (await shelf.at("b")) == newer
        assert ended.path == "b"

    async def test_moved_records_keep_their_order_in_the_answer(self, shelf: Shelf) -> None:
        changes = [shelf.new_file(path) for path in ("z", "b", "y", "a")]
        applied = await shelf.apply(*changes)
        assert [record.path for record in applied.records] == ["z", "b", "y", "a"]
        assert [entry.path for entry in applied.entries] == ["z", "b", "y", "a"]

    async def test_empty_batch_does_nothing(self, shelf: Shelf) -> None:
        assert await shelf.apply() == ([], [], [])

    async def test_lost_lease_writes_nothing(self, shelf: Shelf, store: Store) -> None:
        taken = await shelf.taken_over()
        with pytest.raises(LeaseLost):
            await shelf.apply(shelf.new_file("a"))
        assert await shelf.keys() == []
        assert await Shelf(store, taken).put("a")

    @pytest.mark.parametrize("bad", BAD_RECORDS.values(), ids=BAD_RECORDS)
    async def test_data_error_leaves_nothing_behind(self, shelf: Shelf, bad: dict[str, Any]) -> None:
        record = await shelf.put("kept")
        head = await shelf.store.head()
        operation = await shelf.store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=True)
        batch = [shelf.new_file("good"), shelf.new_file(**({"path": "bad"} | bad)), change(record, path="z")]
        with pytest.raises(StoreDataError):
            await shelf.apply(*batch, operation_id=operation.id)
        assert await shelf.paths() == ["kept"]
        assert await shelf.store.head() == head
        assert (await shelf.repository()).files == 1
        assert await shelf.put("good")

    async def test_longest_paths_are_stored_or_refused_as_data(self, shelf: Shelf) -> None:
        """Random names, as a repetitive one of any length fits an index that compresses."""
        random = Random(4)
        long = ["".join(random.choices("aé漢😀\U0010ffab", k=4000)) for _ in range(4)]
        twins = [long[0][:-1] + "x", long[0][:-1] + "y"]
        records = await shelf.add(*long, *twins)
        assert await shelf.paths() == sorted([*long, *twins], key=str.encode)
        assert await shelf.at(twins[1]) == records[-1]
        rival = shelf.new_file(twins[0])
        assert (await shelf.apply(rival)).conflicts == [rival]
        swapped = await shelf.write(change(records[-1], path=twins[0]), change(records[-2], path=twins[1]))
        assert await shelf.at(twins[0]) == swapped[0]

    async def test_every_name_of_the_stored_form(self, shelf: Shelf) -> None:
        names = ["\U0010ff80", "\U0010ffff", "\U0010fffd/x", "new\nline", "tab\t", "\u202e", "é", "e\u0301"]
        names += [
            "'",
            '"',
            "\\",
            "%s",
            "_",
            "%",
            ":name",
            "{x}",
            "\x01\x7f",
            "\ud7ff\ue000",
            "{",
            "[1]",
            "null",
        ]
        await shelf.add(*names)
        assert await shelf.paths() == sorted(names, key=str.encode)
        assert set(await shelf.store.records_at(shelf.id, names)) == set(names)
