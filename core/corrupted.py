"""Corrupted files: what the ledger knows of each, and where good copies of it are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from treeledger.model import FileRecord, KnownProblem, ProblemCode
from treeledger.protocols import FIRST_PROBLEM, ProblemPlace, RecordPlace, Store

_MOST_COPIES: Final = 3  # that are told of one content


@dataclass(frozen=True, slots=True)
class CorruptedFile:
    """What was found of a file, its record (None: it has gone meanwhile), and good copies (None: that was not
    asked)."""

    known: KnownProblem
    record: FileRecord | None
    copies: Sequence[RecordPlace] | None


async def corrupted_files(
    store: Store, repository_id: UUID | None, *, after: ProblemPlace | None, limit: int, copies: bool
) -> list[CorruptedFile]:
    """A page of them, by repository and path; with `copies` the hashes of the whole ledger are read."""
    known = await store.problems(
        repository_id, notes=False, limit=limit, after=after or FIRST_PROBLEM, code=ProblemCode.CORRUPTED
    )
    records = await _records(store, known)
    hashes = {one.content_hash for one in records.values() if one.content_hash is not None}
    places = await store.copies_of(hashes, most=_MOST_COPIES) if copies and hashes else {}
    return [_told(one, records, places if copies else None) for one in known]


async def _records(store: Store, known: Sequence[KnownProblem]) -> dict[tuple[UUID, str], FileRecord]:
    paths: dict[UUID, list[str]] = {}
    for one in known:
        paths.setdefault(one.repository_id, []).append(one.problem.path)
    return {
        (id, path): record
        for id, some in paths.items()
        for path, record in (await store.records_at(id, some)).items()
    }


def _told(
    known: KnownProblem,
    records: Mapping[tuple[UUID, str], FileRecord],
    places: Mapping[str, Sequence[RecordPlace]] | None,
) -> CorruptedFile:
    record = records.get((known.repository_id, known.problem.path))
    if places is None:
        return CorruptedFile(known, record, None)
    hash = None if record is None else record.content_hash
    return CorruptedFile(known, record, places.get(hash, ()) if hash is not None else ())
