"""Reading the records of files, page by page and by path, inode, state; ending old ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from treeledger.model import FileRecord, Lease, RecordKey, RecordState
from treeledger.names import range_below, successor
from treeledger.plugins.sql import paths
from treeledger.plugins.sql.finding import sorted_files
from treeledger.plugins.sql.leases import hold_lease
from treeledger.plugins.sql.reading import in_order, key_rows
from treeledger.plugins.sql.values import record_from, record_then_from
from treeledger.plugins.sql.work import Part, Query, Row, Work, ask, ask_together
from treeledger.protocols import EPOCH, FileOrder, FileQuery, ScrubPlace

_BATCH: Final = 4000
_FIRST: Final = ScrubPlace(EPOCH, EPOCH, 0)  # before every record: ids begin at 1


class Records(Part):
    async def keys(self, repository_id: UUID, low: str, high: str | None, limit: int) -> list[RecordKey]:
        work = key_rows(str(repository_id), low, high, limit, indexed=self.session.indexed)
        rows = await self.session.read(work)
        return [RecordKey._make(row) for row in rows]

    async def records_at(self, repository_id: UUID, paths: Sequence[str]) -> dict[str, FileRecord]:
        return await self.session.read(_records_at(repository_id, paths)) if paths else {}

    async def records_by_inode(
        self, repository_id: UUID, inodes: Sequence[tuple[int, int]]
    ) -> list[FileRecord]:
        return await self.session.read(_records_by_inode(repository_id, inodes)) if inodes else []

    async def records_to_hash(
        self,
        repository_id: UUID,
        *,
        verify: bool,
        priority: Sequence[str],
        skip: Sequence[int] = (),
        largest: int | None = None,
        limit: int,
    ) -> list[FileRecord]:
        work = (
            _to_verify(repository_id, skip, limit)
            if verify
            else _to_hash(repository_id, priority, skip, largest, limit)
        )
        return await self.session.read(work)

    async def records_to_scrub(
        self, repository_id: UUID, *, after: ScrubPlace | None, before: datetime, limit: int
    ) -> list[FileRecord]:
        return await self.session.read(_to_scrub(repository_id, after or _FIRST, before, limit))

    async def files(self, query: FileQuery) -> list[FileRecord]:
        if query.order is not FileOrder.PATH:
            return await self.session.browse(sorted_files(query))
        work = _files(query, self.session.indexed)
        is_long = query.parts or query.duplicates or RecordState.PRESENT not in query.states
        return await (self.session.browse if is_long else self.session.read)(work)

    async def record(self, record_id: int) -> FileRecord | None:
        return await self.session.read(_record(record_id))

    async def renumber_file_system(self, lease: Lease, old: int, new: int) -> None:
        while await self.session.write(_renumber(lease, old, new)):
            pass

    async def purge(self, lease: Lease, older_than: timedelta, limit: int) -> int:
        return await self.session.write(_purge(lease, older_than, limit))


def _records_at(repository_id: UUID, paths: Sequence[str]) -> Work[dict[str, FileRecord]]:
    wanted: dict[str, Any] = {"repository_id": str(repository_id), "paths": list(paths)}
    deleted, live = yield from ask_together(Query("deleted_at_paths", wanted), Query("live_at_paths", wanted))
    return {record.path: record for record in map(record_from, (*deleted, *live))}


def _records_by_inode(repository_id: UUID, inodes: Sequence[tuple[int, int]]) -> Work[list[FileRecord]]:
    """File system by file system; nearly always there is one."""
    wanted: dict[int, list[int]] = {}
    for file_system, inode in inodes:
        wanted.setdefault(file_system, []).append(inode)
    rows: list[Row] = []
    for file_system, numbers in wanted.items():
        rows += yield from ask(
            "records_by_inode", repository_id=str(repository_id), file_system=file_system, inodes=numbers
        )
    return [record_from(row) for row in rows]


def _to_hash(
    repository_id: UUID, priority: Sequence[str], skip: Sequence[int], largest: int | None, limit: int
) -> Work[list[FileRecord]]:
    """Priority folders in their order, then all that is pending, then what failed and is due again."""
    found: list[FileRecord] = []
    for name, extra in _places_to_hash(priority):
        if len(found) < limit:
            rows = yield from ask(
                name,
                repository_id=str(repository_id),
                skip=[*skip, *(record.id for record in found)],
                largest=largest,
                limit=limit - len(found),
                **extra,
            )
            found += map(record_from, rows)
    return found


def _places_to_hash(priority: Sequence[str]) -> Iterator[tuple[str, dict[str, str | None]]]:
    for prefix in priority:
        low, high = range_below(prefix)
        yield "records_pending_within", {"prefix": prefix, "low": low, "high": high}
    yield "records_pending", {}
    yield "records_failed", {}


def _to_verify(repository_id: UUID, skip: Sequence[int], limit: int) -> Work[list[FileRecord]]:
    rows = yield from ask("records_to_verify", repository_id=str(repository_id), skip=list(skip), limit=limit)
    return [record_from(row) for row in rows]


def _to_scrub(repository_id: UUID, after: ScrubPlace, before: datetime, limit: int) -> Work[list[FileRecord]]:
    repository = str(repository_id)
    place = after._asdict()
    rows = [*(yield from ask("records_to_scrub_beside", repository_id=repository, limit=limit, **place))]
    if len(rows) < limit:
        rows += yield from ask(
            "records_to_scrub_beyond",
            repository_id=repository,
            verified=after.verified,
            before=before,
            limit=limit - len(rows),
        )
    return [record_from(row) for row in rows]


def _record(record_id: int) -> Work[FileRecord | None]:
    rows = yield from ask("record", id=record_id)
    return record_from(rows[0]) if rows else None


def _files(query: FileQuery, indexed: int | None) -> Work[list[FileRecord]]:
    """Repository by repository, so that every page follows one index."""
    found: list[FileRecord] = []
    for repository in (yield from _repositories(query)):
        is_first = query.after is not None and repository == str(query.after[0])
        after = query.after[1] if query.after and is_first else ""
        found += yield from _page(query, repository, after, query.limit - len(found), indexed)
        if len(found) >= query.limit:
            break
    return found


def _repositories(query: FileQuery) -> Work[list[str]]:
    """Those that are left, in the order of their ids."""
    if query.repository_id is not None:
        return [str(query.repository_id)]
    ids = [str(row[0]) for row in (yield from ask("repository_ids"))]
    return [id for id in ids if query.after is None or id >= str(query.after[0])]


def _page(
    query: FileQuery, repository: str, after: str, limit: int, indexed: int | None
) -> Work[list[FileRecord]]:
    """Live and deleted records have an index each: a page of both is the beginning of the two together."""
    low, high = paths.starting(query.prefix)
    low = max(low, successor(after)) if after else low
    wanted: dict[str, Any] = {
        "repository_id": repository,
        "low": low,
        "high": high or None,
        "like": paths.like(query.parts),
    }
    if query.at is not None:
        states = [state.value for state in query.states]
        rows = yield from ask("records_then", **wanted, at=query.at, states=states, limit=limit)
        return [record_then_from(row) for row in rows]
    found: list[FileRecord] = []
    live = yield from _occurring(repository, query.states)
    if live:
        rows = yield from in_order(
            "live_files",
            **wanted,
            indexed=indexed,
            path_at=2,
            states=live,
            duplicates=query.duplicates,
            limit=limit,
        )
        found += map(record_from, rows)
    if RecordState.DELETED in query.states:
        found += yield from _deleted_files(wanted, limit)
    return _cut(sorted(found, key=lambda record: (record.path, record.id)), limit)


def _occurring(repository: str, states: Sequence[RecordState]) -> Work[list[str]]:
    """The states of live records that are asked for, less those that no record has: among a million that are
    present nobody looks for what is not there."""
    live = [state for state in states if state is not RecordState.DELETED]
    if live and RecordState.PRESENT not in live:
        for missing, ignored in (yield from ask("count_rare", id=repository)):
            counted = {RecordState.MISSING: missing, RecordState.IGNORED: ignored}
            live = [state for state in live if counted[state]]
    return [state.value for state in live]


def _deleted_files(wanted: dict[str, Any], limit: int) -> Work[list[FileRecord]]:
    """One path may have several deleted records: a page ends only where a path ends."""
    rows = yield from ask("deleted_files", **wanted, limit=limit)
    found = [record_from(row) for row in rows]
    if len(found) == limit:
        last = found[-1].path
        rows = yield from ask("deleted_at_paths", repository_id=wanted["repository_id"], paths=[last])
        found = [record for record in found if record.path != last] + [record_from(row) for row in rows]
    return found


def _cut(records: Sequence[FileRecord], limit: int) -> list[FileRecord]:
    """The first `limit` records, and what else has the path of the last."""
    kept: list[FileRecord] = []
    for _, group in groupby(records, key=lambda record: record.path):
        if len(kept) >= limit:
            break
        kept += group
    return kept


def _renumber(lease: Lease, old: int, new: int) -> Work[bool]:
    """One batch, so that nobody waits long; returns whether there may be more."""
    yield from hold_lease(lease)
    if old == new:
        return False
    rows = yield from ask(
        "renumber_file_system", repository_id=str(lease.repository_id), old=old, new=new, limit=_BATCH
    )
    return len(rows) == _BATCH


def _purge(lease: Lease, older_than: timedelta, limit: int) -> Work[int]:
    yield from hold_lease(lease)
    rows = yield from ask(
        "purge_deleted", repository_id=str(lease.repository_id), age=older_than, limit=limit
    )
    return len(rows)
