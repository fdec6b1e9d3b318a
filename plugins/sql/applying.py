"""`apply`: changes become rows, counters and journal entries, all together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from treeledger.errors import StoreDataError
from treeledger.model import Change, FileRecord, JournalEntry, Lease
from treeledger.plugins.sql import batch
from treeledger.plugins.sql.leases import hold_lease_and_ask
from treeledger.plugins.sql.values import (
    ENTRY_COLUMNS,
    MOVE_COLUMNS,
    RECORD_COLUMNS,
    entry_row,
    moment,
    move_row,
    record_row,
)
from treeledger.plugins.sql.work import Params, Part, Work, ask, each, run
from treeledger.protocols import Applied

_WAYS: Final = {  # the fewer columns a statement sets, the fewer indexes it touches
    "update_records": (RECORD_COLUMNS, record_row),
    "update_moved": (MOVE_COLUMNS, move_row),
    "update_contents": (RECORD_COLUMNS, record_row),
    "insert_records": (RECORD_COLUMNS, record_row),
}


class Applying(Part):
    async def apply(
        self,
        lease: Lease,
        changes: Sequence[Change],
        *,
        operation_id: int | None = None,
        generation: int = 0,
    ) -> Applied:
        if not changes:
            return Applied([], [], [])
        applied = await self.session.write(_apply(lease, changes, operation_id, generation))
        if applied.entries:
            self.session.announce()
        return applied


def _apply(
    lease: Lease, changes: Sequence[Change], operation_id: int | None, generation: int
) -> Work[Applied]:
    _refuse_nul(changes)
    repository = str(lease.repository_id)
    now, answers = yield from hold_lease_and_ask(lease, _questions(repository, changes))
    standing = {id: batch.Standing(*standing) for id, *standing in answers.get("standing", ())}
    occupied: dict[str, int] = dict(answers.get("occupied_paths", ()))
    accepted, conflicts, parked = batch.judge(changes, standing, occupied)
    if not accepted:
        return Applied([], [], conflicts)
    new_ids = (id for (id,) in answers.get("new_record_ids", ()))
    records = [
        batch.stamp(change, change.before.id if change.before else next(new_ids), now, generation)
        for change in accepted
    ]
    yield from each("park_records", ("repository_id", "id"), [(repository, id) for id in parked])
    yield from _write(repository, accepted, records)
    yield from _count(repository, accepted, standing, records)
    entries = yield from _journal(lease.repository_id, accepted, records, operation_id)
    return Applied(entries, records, conflicts)


def _refuse_nul(changes: Sequence[Change]) -> None:
    """No text holds a NUL in PostgreSQL, and in SQLite it would end half of the functions' view of it."""
    for change in changes:
        if "\0" in change.after.path:
            raise StoreDataError(f"a path cannot be stored: {change.after.path!r} holds a NUL")


def _questions(repository: str, changes: Sequence[Change]) -> dict[str, Params]:
    """What is asked in one go: how records stand, who holds paths that are new to them, ids for new ones."""
    ids = [change.before.id for change in changes if change.before]
    paths = batch.claimed_paths(changes)
    questions: dict[str, Params] = {}
    if ids:
        questions["standing"] = {"repository_id": repository, "ids": ids}
    if paths:
        questions["occupied_paths"] = {"repository_id": repository, "paths": paths}
    if len(ids) < len(changes):
        questions["new_record_ids"] = {"count": len(changes) - len(ids)}
    return questions


def _write(repository: str, accepted: Sequence[Change], records: Sequence[FileRecord]) -> Work[None]:
    """Rows are written in key order, so that pages of the indexes are met one after another."""
    found: dict[str, list[FileRecord]] = {name: [] for name in _WAYS}
    for change, record in sorted(zip(accepted, records, strict=True), key=lambda pair: pair[1].path):
        found[_way(change.before, record)].append(record)
    for name, (columns, row) in _WAYS.items():
        yield from each(name, columns, [row(record, repository) for record in found[name]])


def _way(before: FileRecord | None, record: FileRecord) -> str:
    if before is None:
        return "insert_records"
    if batch.stays(before, record):
        return "update_contents"
    return "update_moved" if batch.only_moves(before, record) else "update_records"


def _count(
    repository: str,
    accepted: Sequence[Change],
    standing: Mapping[int, batch.Standing],
    records: Sequence[FileRecord],
) -> Work[None]:
    before = [standing[change.before.id] for change in accepted if change.before]
    tally = batch.tally(before, records)
    if any(tally):
        yield from run("count_files", id=repository, **tally._asdict())


def _journal(
    repository_id: UUID, accepted: Sequence[Change], records: Sequence[FileRecord], operation_id: int | None
) -> Work[list[JournalEntry]]:
    """Numbers come last: whoever has taken them holds up all other writers until it commits."""
    told = [pair for pair in zip(accepted, records, strict=True) if pair[0].kind is not None]
    if not told:
        return []
    [(last, at, *_)] = yield from ask("number_entries", count=len(told))
    first, at = last - len(told) + 1, moment(at)
    entries = [
        batch.entry(change, record, repository_id, operation_id, n, at)
        for n, (change, record) in enumerate(told, start=first)
    ]
    repository = str(repository_id)
    rows = [
        entry_row(entry, repository, record.state) for entry, (_, record) in zip(entries, told, strict=True)
    ]
    yield from each("insert_entries", ENTRY_COLUMNS, rows)
    return entries
