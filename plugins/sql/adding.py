"""`add`: many new files in few statements, without a Python object for each row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from treeledger.errors import StoreDataError
from treeledger.model import Lease
from treeledger.plugins.sql.batch import counted
from treeledger.plugins.sql.leases import hold_lease
from treeledger.plugins.sql.reading import known_paths
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Part, Work, ask, each, run
from treeledger.protocols import Added, NewFile


class _Reading(NamedTuple):
    """What is the same for all files of a batch."""

    algorithm: str | None
    read_at: datetime | None
    operation_id: int | None
    generation: int


class Adding(Part):
    async def add(
        self,
        lease: Lease,
        files: Sequence[NewFile],
        *,
        algorithm: str | None,
        read_at: datetime | None,
        operation_id: int | None,
        generation: int,
    ) -> Added:
        reading = _Reading(algorithm, read_at, operation_id, generation)
        try:
            added = await self.session.write(_add(lease, files, reading, is_vacant=True))
        except StoreDataError:  # nearly never: a live record at one of the paths, or a bad row after all
            added = await self.session.write(_add(lease, files, reading, is_vacant=False))
        if added.last >= added.first:
            self.session.announce()
        return added


def _add(lease: Lease, files: Sequence[NewFile], reading: _Reading, *, is_vacant: bool) -> Work[Added]:
    """`is_vacant`: no live record is expected at the paths. If there is one, the index refuses its rival."""
    now = yield from hold_lease(lease)
    repository = str(lease.repository_id)
    if "\0" in "".join([file.path for file in files]):
        raise StoreDataError("a path cannot be stored: it holds a NUL")
    refused = yield from known_paths(repository, [(file[0], file[4], file[5]) for file in files])
    if not is_vacant:
        paths = [file.path for file in files]
        rows = yield from ask("occupied_paths", repository_id=repository, paths=paths)
        refused.update(path for path, _ in rows)
    new = [file for file in files if file.path not in refused] if refused else files
    first, last = (yield from _write(repository, new, reading, now)) if new else (1, 0)
    in_order = [file.path for file in files if file.path in refused] if refused else []
    return Added(first, last, sum([file.size for file in new]), in_order)


def _write(
    repository: str, files: Sequence[NewFile], reading: _Reading, now: datetime
) -> Work[tuple[int, int]]:
    """Records, counters, and at the end the journal; returns the first and the last number."""
    [(after,)] = yield from ask("last_record_id", repository_id=repository)
    yield from each(
        "add_records",
        NewFile._fields,
        files,
        repository_id=repository,
        algorithm=reading.algorithm,
        read_at=reading.read_at,
        generation=reading.generation,
        now=now,
    )
    size = sum([counted(file.size) for file in files])
    hashed = len([file for file in files if file.content_hash is not None])
    yield from run(
        "count_files", id=repository, files=len(files), bytes=size, hashed=hashed, missing=0, ignored=0
    )
    [(last, at, *_)] = yield from ask("number_entries", count=len(files))
    first = last - len(files) + 1
    yield from run(
        "journal_added",
        repository_id=repository,
        operation_id=reading.operation_id,
        first=first,
        at=moment(at),
        after=after,
    )
    return first, last
