"""What a batch of changes does to the ledger: pure decisions, before a row is written.

The writers of a repository are serialised by the lock on its row, so what was read there stays true
until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from treeledger.model import Change, FileRecord, JournalEntry, RecordState

_PETABYTE: Final = 2**50


class Standing(NamedTuple):
    """How a record stands in the ledger now."""

    version: int
    state: str
    size: int
    is_hashed: bool | int


class Verdict(NamedTuple):
    """Which changes of a batch hold, in their order; the records to park before they are written."""

    accepted: list[Change]
    conflicts: list[Change]
    parked: list[int]


class Tally(NamedTuple):
    """What the counters of a repository gain."""

    files: int
    bytes: int
    hashed: int
    missing: int
    ignored: int


def target(change: Change) -> str | None:
    """The path a change claims: that of the record it leaves alive."""
    return None if change.after.state is RecordState.DELETED else change.after.path


def origin(change: Change) -> str | None:
    """The path that the record of a change holds before it."""
    before = change.before
    return None if before is None or before.state is RecordState.DELETED else before.path


def stays(before: FileRecord, after: FileRecord) -> bool:
    """Whether a record is where it was, in the state it had: a new hash, or an edit in place."""
    return (
        before.path == after.path
        and before.state is after.state
        and before.held_id == after.held_id
        and before.stat[3:5] == after.stat[3:5]  # file system and inode
    )


def only_moves(before: FileRecord, after: FileRecord) -> bool:
    """Whether a rename explains all that changes: the path, and of the stat ctime and mode."""
    return (
        before[4:13] == after[4:13]  # from state to held_id
        and before.stat[:2] == after.stat[:2]
        and before.stat[3:5] == after.stat[3:5]
    )


def claimed_paths(changes: Sequence[Change]) -> list[str]:
    """The paths that are new to the records of a batch, so that others may hold them."""
    return [path for change in changes if (path := target(change)) is not None and path != origin(change)]


def judge(
    changes: Sequence[Change], standing: Mapping[int, Standing], occupied: Mapping[str, int]
) -> Verdict:
    """Which changes can be written.

    A change conflicts if its record is no longer at the version it was, if another change of the
    batch has its record or its path, or if a live record holds its path (`occupied`: record id by
    path) that does not leave it in this batch.
    """
    claims, by_record = _claims(changes, standing)
    accepted = {*by_record.values(), *claims.values()}
    doubtful = [
        index for path, index in claims.items() if _is_held(changes, path, index, occupied, by_record)
    ]
    while doubtful:
        index = doubtful.pop()
        accepted.discard(index)
        # Its record stays where it is, so nobody else can have that path.
        rival = claims.get(origin(changes[index]) or "")
        if rival is not None and rival != index and rival in accepted:
            doubtful.append(rival)
    kept = [change for index, change in enumerate(changes) if index in accepted]
    refused = [change for index, change in enumerate(changes) if index not in accepted]
    return Verdict(kept, refused, _parked(kept))


def _claims(
    changes: Sequence[Change], standing: Mapping[int, Standing]
) -> tuple[dict[str, int], dict[int, int]]:
    """Who, by index, has each path and each record: a record that stays has its path before all others."""
    by_record: dict[int, int] = {}
    hopeful: list[int] = []
    for index, change in enumerate(changes):
        if change.before is None or not _is_stale(change.before, standing, by_record):
            hopeful.append(index)
            if change.before:
                by_record[change.before.id] = index
    claims: dict[str, int] = {}
    for index in sorted(hopeful, key=lambda index: target(changes[index]) != origin(changes[index])):
        before, path = changes[index].before, target(changes[index])
        if path is not None and claims.setdefault(path, index) != index and before is not None:
            del by_record[before.id]
    return claims, by_record


def _is_stale(before: FileRecord, standing: Mapping[int, Standing], taken: Collection[int]) -> bool:
    now = standing.get(before.id)
    return now is None or now.version != before.version or before.id in taken


def _is_held(
    changes: Sequence[Change],
    path: str,
    index: int,
    occupied: Mapping[str, int],
    by_record: Mapping[int, int],
) -> bool:
    """Whether a live record has the path that neither is the change's own nor leaves in this batch."""
    holder = occupied.get(path)
    if holder is None:
        return False
    leaving = by_record.get(holder)
    return leaving is None or (leaving != index and target(changes[leaving]) == path)


def _parked(accepted: Sequence[Change]) -> list[int]:
    """The records whose path another change takes over: they go out of the way first."""
    taken = frozenset(claimed_paths(accepted))
    return [change.before.id for change in accepted if change.before and origin(change) in taken]


def stamp(change: Change, id: int, now: datetime, generation: int) -> FileRecord:
    """The record as it is stored: with its version, and the times that are the store's to set."""
    before, after = change.before, change.after
    is_deleted = after.state is RecordState.DELETED
    is_gone = is_deleted or after.state is RecordState.MISSING
    return FileRecord(
        id,
        *after[1:12],  # what is the change's alone: from repository_id to last_verified
        after.held_id if is_gone else None,
        before.version + 1 if before else 1,
        max(generation, before.scan_generation) if before else generation,
        now,  # last_scanned
        ((before and before.missing_at) or now) if is_gone else None,
        ((before and before.deleted_at) or now) if is_deleted else None,
        (before and before.created_at) or now,
        now,  # updated_at
    )


def tally(before: Sequence[Standing], after: Sequence[FileRecord]) -> Tally:
    """How the counters change when these records become those."""
    states = [standing.state for standing in before]
    new_states = [record.state for record in after]
    present = RecordState.PRESENT
    return Tally(
        files=new_states.count(present) - states.count(present),
        bytes=sum(counted(record.stat.size) for record in after if record.state is present)
        - sum(counted(standing.size) for standing in before if standing.state == present),
        hashed=sum(record.content_hash is not None for record in after if record.state is present)
        - sum(bool(standing.is_hashed) for standing in before if standing.state == present),
        missing=new_states.count(RecordState.MISSING) - states.count(RecordState.MISSING),
        ignored=new_states.count(RecordState.IGNORED) - states.count(RecordState.IGNORED),
    )


def counted(size: int) -> int:
    """What a file adds to the bytes of its repository: at most a petabyte, so that sparse files cannot
    take the sum beyond 64 bits."""
    return min(size, _PETABYTE)


def entry(
    change: Change, record: FileRecord, repository_id: UUID, operation_id: int | None, n: int, at: datetime
) -> JournalEntry:
    """The journal's word on a change that is not quiet."""
    before = change.before
    assert change.kind is not None
    return JournalEntry(
        n,
        at,
        repository_id,
        record.id,
        operation_id,
        change.kind,
        record.path,
        before.path if before and before.path != record.path else None,
        record.stat,
        before.stat if before else None,
        record.hash_algorithm,
        record.content_hash,
        before.content_hash if before else None,
    )
