"""The vocabulary of the store's contract: a repository in hand, files and changes in few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final
from uuid import UUID, uuid4

from treeledger.model import (
    Change,
    ChangeKind,
    FileRecord,
    FileStat,
    HashState,
    Lease,
    RecordKey,
    RecordState,
    Repository,
)
from treeledger.names import successor
from treeledger.protocols import Applied, FileQuery, Store

OWNER: Final = "here:1:test"
LONG: Final = 600.0  # seconds; no lease of this length ends during a test
EVERY_STATE: Final = tuple(RecordState)
_KINDS: Final = {
    RecordState.MISSING: ChangeKind.MISSING,
    RecordState.DELETED: ChangeKind.DELETED,
    RecordState.IGNORED: ChangeKind.IGNORED,
    RecordState.PRESENT: ChangeKind.MODIFIED,
}
_inodes = count(1)


def stat(**given: int) -> FileStat:
    """The stat of a file that no other test has."""
    inode = next(_inodes)
    values = {
        "size": 10,
        "mtime_ns": 1_700_000_000_123_456_789 + inode,
        "ctime_ns": 1_700_000_000_987_654_321 + inode,
        "file_system": 1,
        "inode": inode,
        "mode": 0o100644,
    }
    return FileStat(**(values | given))


def repository(name: str = "photos", **given: Any) -> Repository:
    values: dict[str, Any] = {"id": uuid4(), "name": name, "host": "here", "root": f"/data/{name}"}
    return Repository(**(values | given))


def change(before: FileRecord, **fields: Any) -> Change:
    """A record that becomes another, told as what its new state or path says it is."""
    after = before._replace(**fields)
    has_moved = after.path != before.path and after.state is RecordState.PRESENT
    return Change(ChangeKind.MOVED if has_moved else _KINDS[after.state], before, after)


def quiet(before: FileRecord, **fields: Any) -> Change:
    return Change(None, before, before._replace(**fields))


def hashed(before: FileRecord, content: str) -> Change:
    after = before._replace(hash_state=HashState.DONE, hash_algorithm="sha256", content_hash=content)
    return Change(ChangeKind.HASHED, before, after)


@dataclass(frozen=True)
class Shelf:
    """One repository of a store, and the lease to write it."""

    store: Store
    lease: Lease

    @classmethod
    async def new(cls, store: Store, name: str | None = None, owner: str = OWNER) -> Shelf:
        added = await store.add_repository(repository(name or f"shelf-{uuid4()}"))
        return cls(store, await store.claim(added.id, owner, LONG))

    @property
    def id(self) -> UUID:
        return self.lease.repository_id

    async def taken_over(self, by: str = "other") -> Lease:
        """The lease of another owner, who took the repository over when this one's had run out."""
        await self.store.renew([self.lease], self.lease.owner, -1.0)
        return await self.store.claim(self.id, by, LONG)

    def new_file(self, path: str, **fields: Any) -> Change:
        record = FileRecord(0, self.id, path, fields.pop("stat", None) or stat(), **fields)
        return Change(ChangeKind.ADDED, None, record)

    async def apply(self, *changes: Change, **given: Any) -> Applied:
        return await self.store.apply(self.lease, changes, **given)

    async def write(self, *changes: Change, **given: Any) -> list[FileRecord]:
        """The records as they are after changes that must not conflict."""
        applied = await self.apply(*changes, **given)
        assert applied.conflicts == []
        return applied.records

    async def add(self, *paths: str, **fields: Any) -> list[FileRecord]:
        return await self.write(*(self.new_file(path, **fields) for path in paths))

    async def put(self, path: str, **fields: Any) -> FileRecord:
        [record] = await self.write(self.new_file(path, **fields))
        return record

    async def at(self, path: str) -> FileRecord:
        return (await self.store.records_at(self.id, [path]))[path]

    async def keys(self, low: str = "", high: str | None = None, page: int = 3) -> list[RecordKey]:
        """All keys of a range, read page by page."""
        found: list[RecordKey] = []
        while keys := await self.store.keys(self.id, low, high, page):
            assert len(keys) <= page
            found += keys
            low = successor(keys[-1].path)
        return found

    async def paths(self, low: str = "", high: str | None = None) -> list[str]:
        return [key.path for key in await self.keys(low, high)]

    async def files(self, **query: Any) -> list[FileRecord]:
        """All records of a query, read page by page."""
        values: dict[str, Any] = {"repository_id": self.id, "limit": 3, "states": EVERY_STATE}
        return await all_files(self.store, FileQuery(**(values | query)))

    async def repository(self) -> Repository:
        return next(found for found in await self.store.repositories() if found.id == self.id)


async def all_files(store: Store, query: FileQuery) -> list[FileRecord]:
    """All records of a query, read page by page."""
    found: list[FileRecord] = []
    while page := await store.files(query):
        found += page
        query = replace(query, after=(page[-1].repository_id, page[-1].path))
    return found


def paths_of(records: Sequence[FileRecord]) -> list[str]:
    return [record.path for record in records]
