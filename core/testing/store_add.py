"""What `add` promises: that it writes what `apply` would, and refuses what may not be new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.errors import LeaseLost, StoreDataError
from treeledger.model import (
    INT64_MAX,
    Change,
    ChangeKind,
    FileRecord,
    FileStat,
    HashState,
    JournalEntry,
    OperationType,
    RecordState,
    Repository,
)
from treeledger.protocols import Added, FilePlace, NewFile, Store
from treeledger.testing.examples import examples
from treeledger.testing.store_reader import note, places
from treeledger.testing.store_shelf import Shelf, change, stat

WHEN = datetime(2026, 11, 20, 8, 30, 0, 123456, tzinfo=UTC)
NAMES = ["", "é", "\U0010ff80", "new\nline", 'quo"te', "back\\slash", "{1,2}", "NULL", "tab\t", "%s", ":name"]
BAD_FILES: dict[str, dict[str, Any]] = {
    "NUL in a path": {"path": "a\0b"},
    "lone surrogate": {"path": "a\udcffb"},
    "integer too large": {"size": INT64_MAX + 1},
    "integer too small": {"mtime_ns": -(2**63) - 1},
    "lone surrogate in a hash": {"content_hash": "\ud800"},
    "one path twice": {"path": "d/1"},
}


def new(path: str, state: HashState = HashState.DONE, **given: Any) -> NewFile:
    content = f"{path}'s hash" if state is HashState.DONE else None
    return NewFile(path, *stat(), state.value, content)._replace(**given)


def some(count: int) -> list[NewFile]:
    """Files of every kind: done, pending and skipped, two of them of one inode."""
    states = (HashState.DONE, HashState.DONE, HashState.PENDING, HashState.SKIPPED)
    files = [new(f"d/{number:04}{NAMES[number % 11]}", states[number % 4]) for number in range(count)]
    twin = files[-1]._replace(inode=files[0].inode, size=0, mtime_ns=-1)
    return [*files[:-1], twin, new("z", size=2**62, inode=INT64_MAX)]


async def add(shelf: Shelf, files: Sequence[NewFile], **given: Any) -> Added:
    values: dict[str, Any] = {"algorithm": "sha256", "read_at": WHEN, "operation_id": None, "generation": 3}
    return await shelf.store.add(shelf.lease, files, **(values | given))


def as_change(shelf: Shelf, file: NewFile) -> Change:
    """What `apply` is given for the same new record."""
    is_done = file.hash_state == HashState.DONE
    record = FileRecord(
        0,
        shelf.id,
        file.path,
        FileStat._make(file[1:7]),
        hash_state=HashState(file.hash_state),
        hash_algorithm="sha256" if is_done else None,
        content_hash=file.content_hash,
        read_at=WHEN if is_done else None,
    )
    return Change(ChangeKind.ADDED, None, record)


@pytest.mark.anyio
class AddContract:
    @pytest.mark.parametrize("count", [2, 99, 1234])
    async def test_adds_what_apply_would_write(self, store: Store, count: int) -> None:
        applied, added = await Shelf.new(store), await Shelf.new(store)
        files, standing = some(count), stat()
        for shelf in (applied, added):
            await shelf.put("a", stat=standing)
        await applied.write(*(as_change(applied, file) for file in files), operation_id=5, generation=3)
        before = await store.head()
        result = await add(added, files, operation_id=5)
        size = sum(file.size for file in files)
        assert result == Added(before.n + 1, before.n + len(files), size, [])
        assert await _records(added) == await _records(applied)
        assert await _entries(added) == await _entries(applied)
        assert _counters(await added.repository()) == _counters(await applied.repository())

    async def test_entries_belong_to_their_records(self, shelf: Shelf, store: Store) -> None:
        operation = await store.begin_operation(shelf.lease, OperationType.STARTUP, "", scan=True)
        result = await add(shelf, some(150), operation_id=operation.id, generation=operation.generation)
        records = sorted(await shelf.files())
        entries = await store.changes(result.first - 1, limit=999)
        assert [entry.n for entry in entries] == list(range(result.first, result.last + 1))
        assert [(entry.record_id, entry.path) for entry in entries] == [(r.id, r.path) for r in records]
        assert {entry.operation_id for entry in entries} == {operation.id}
        assert {record.updated_at for record in records} == {records[0].created_at}
        assert entries[-1].at >= (records[0].created_at or WHEN)
        assert [await store.record(record.id) for record in records[:3]] == records[:3]

    async def test_added_records_are_as_good_as_others(self, shelf: Shelf, store: Store) -> None:
        await add(shelf, [new("a", HashState.PENDING), new("b")])
        a, b = await shelf.at("a"), await shelf.at("b")
        assert await store.records_to_hash(shelf.id, verify=False, priority=[], limit=9) == [a]
        moved, gone = await shelf.write(change(a, path="c"), change(b, state=RecordState.DELETED))
        assert (moved.id, gone.id) == (a.id, b.id)
        assert (await shelf.put("d")).id > b.id

    @given(
        live=st.lists(places, max_size=4, unique_by=lambda place: place[0]),
        deleted=st.lists(places, max_size=4),
        offered=st.lists(places, min_size=1, max_size=6, unique_by=lambda place: place[0]),
    )
    @examples(40)
    async def test_refuses_what_the_ledger_may_know(
        self, store: Store, live: list[FilePlace], deleted: list[FilePlace], offered: list[FilePlace]
    ) -> None:
        shelf, other = await Shelf.new(store), await Shelf.new(store)
        await note(shelf, [*deleted, *live], deleted)
        await note(other, offered, [])
        known = await shelf.files()
        paths = {record.path for record in known}
        inodes = {record.stat[3:5] for record in known}
        before = await store.head()
        files = [new(path, file_system=fs, inode=inode) for path, fs, inode in sorted(offered)]
        refused = [f.path for f in files if f.path in paths or (f.file_system, f.inode) in inodes]
        written = [file for file in files if file.path not in refused]
        result = await add(shelf, files)
        assert result.refused == refused
        assert (result.last - result.first + 1, result.bytes) == (len(written), 10 * len(written))
        assert (await store.head()).n == before.n + len(written)
        assert sorted(r.path for r in await shelf.files() if r not in known) == [f.path for f in written]
        assert (await shelf.repository()).files == len(live) + len(written)

    async def test_nothing_new_is_nothing_written(self, shelf: Shelf, store: Store) -> None:
        await shelf.put("a")
        before = await store.head()
        for files in ([], [new("a")]):
            result = await add(shelf, files)
            assert result.last < result.first
            assert (result.bytes, result.refused) == (0, [file.path for file in files])
        assert await store.head() == before

    async def test_lost_lease_adds_nothing(self, shelf: Shelf) -> None:
        taken = await shelf.taken_over()
        with pytest.raises(LeaseLost):
            await add(shelf, [new("a")])
        assert await shelf.keys() == []
        assert (await add(Shelf(shelf.store, taken), [new("a")])).refused == []

    @pytest.mark.parametrize("bad", BAD_FILES.values(), ids=BAD_FILES)
    async def test_bad_file_leaves_nothing_behind(self, shelf: Shelf, bad: dict[str, Any]) -> None:
        await shelf.put("kept")
        head = await shelf.store.head()
        files = [new(f"d/{number}") for number in range(150)]
        files[120] = files[120]._replace(**bad)
        with pytest.raises(StoreDataError):
            await add(shelf, files)
        assert await shelf.paths() == ["kept"]
        assert await shelf.store.head() == head
        assert (await shelf.repository()).files == 1
        assert (await add(shelf, [new("d/1")])).refused == []

    async def test_those_who_wait_hear_of_what_was_added(self, shelf: Shelf, store: Store) -> None:
        head = await store.head()
        result = await add(shelf, [new("a")])
        await store.wait(head.n, 600.0)
        assert (await store.head()).n == result.last


async def _records(shelf: Shelf) -> list[FileRecord]:
    """Without what differs from one repository to the next; the times must be those of one transaction."""
    records = await shelf.files()
    for record in records:
        assert record.created_at == record.updated_at == record.last_scanned
    plain: dict[str, Any] = {
        "id": 0,
        "repository_id": None,
        "created_at": None,
        "updated_at": None,
        "last_scanned": None,
    }
    return [record._replace(**plain) for record in records]


async def _entries(shelf: Shelf) -> list[JournalEntry]:
    entries = await shelf.store.changes(0, limit=9999, repository_id=shelf.id)
    plain: dict[str, Any] = {"n": 0, "repository_id": None, "record_id": 0, "at": None}
    return [entry._replace(**plain) for entry in entries]


def _counters(repository: Repository) -> tuple[int, ...]:
    return repository.files, repository.bytes, repository.hashed, repository.missing, repository.ignored
