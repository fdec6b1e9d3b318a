"""Records by size, by time, by content: what looks at all of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from treeledger.model import FileRecord
from treeledger.plugins.sql import paths
from treeledger.plugins.sql.values import record_from
from treeledger.plugins.sql.work import Part, Work, ask
from treeledger.protocols import MOST_WEIGHED, FileOrder, FileQuery, Twins


class Finding(Part):
    async def twins(
        self, repository_id: UUID | None, *, after: tuple[int, str] | None = None, limit: int
    ) -> list[Twins]:
        return await self.session.browse(_twins(repository_id, after, limit))

    async def copies(self, content_hash: str, *, after: int = 0, limit: int) -> list[FileRecord]:
        return await self.session.browse(_copies(content_hash, after, limit))


def sorted_files(query: FileQuery) -> Work[list[FileRecord]]:
    """A page in another order than that of the paths."""
    by_size = query.order is FileOrder.SIZE
    low, high = paths.starting(query.prefix)
    wanted: dict[str, Any] = {
        "repository_id": None if query.repository_id is None else str(query.repository_id),
        "states": [state.value for state in query.states],
        "low": low,
        "high": high,
        "like": paths.like(query.parts),
        "duplicates": query.duplicates,
        "by_size": by_size,
        "by_time": not by_size,
        "limit": query.limit,
    }
    if query.beyond is not None:
        value, id = query.beyond
        wanted |= {"beyond_size": by_size, "beyond_time": not by_size, "size": value, "mtime_ns": value}
        wanted["id"] = id
    rows = yield from ask("sorted_files", **wanted)
    return [record_from(row) for row in rows]


def _twins(repository_id: UUID | None, after: tuple[int, str] | None, limit: int) -> Work[list[Twins]]:
    weight, hash = after or (0, None)
    groups = yield from ask(
        "twins",
        repository_id=None if repository_id is None else str(repository_id),
        most=MOST_WEIGHED,
        weight=weight,
        hash=hash,
        limit=limit,
    )
    ids = [first for *_, first in groups]
    rows = (yield from ask("records", ids=ids)) if ids else ()
    records = {record.id: record for record in map(record_from, rows)}
    return [
        Twins(hash, size, copies, records[first])
        for hash, size, copies, first in groups
        if first in records  # purged a moment ago
    ]


def _copies(content_hash: str, after: int, limit: int) -> Work[list[FileRecord]]:
    rows = yield from ask("copies", hash=content_hash, after=after, limit=limit)
    return [record_from(row) for row in rows]
