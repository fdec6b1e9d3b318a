"""Rows to values and back. The order of columns is that of the fragments in the .sql files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from treeledger.model import (
    ChangeKind,
    Counts,
    FileRecord,
    FileStat,
    HashState,
    HeldDeletion,
    HoldStatus,
    Job,
    JobState,
    JournalEntry,
    KnownProblem,
    OperationStatus,
    OperationType,
    Problem,
    ProblemCode,
    RecordState,
    Repository,
    SyncOperation,
)
from treeledger.plugins.sql.work import Row
from treeledger.scheduling import Schedule, ScheduleKind
from treeledger.waiting import Waiting, WaitingKind

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

_RECORD_STATES: Final = {state.value: state for state in RecordState}
_HASH_STATES: Final = {state.value: state for state in HashState}
_KINDS: Final = {kind.value: kind for kind in ChangeKind}


@lru_cache(maxsize=64)  # the rows of one batch share most of their times
def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment(value: int | datetime) -> datetime:
    """A time as a store gives it: microseconds since 1970, or a datetime in the session's time zone."""
    return EPOCH + timedelta(microseconds=value) if isinstance(value, int) else value.astimezone(UTC)


def moment_or_none(value: int | datetime | None) -> datetime | None:
    return None if value is None else moment(value)


@lru_cache(maxsize=1024)
def _uuid(text: str) -> UUID:
    return UUID(text)


def uuid_from(value: str | UUID) -> UUID:
    return _uuid(value) if isinstance(value, str) else value


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def record_from(row: Row) -> FileRecord:
    return FileRecord(
        row[0],
        uuid_from(row[1]),
        row[2],
        FileStat._make(row[3:9]),
        _RECORD_STATES[row[9]],
        _HASH_STATES[row[10]],
        row[11],
        row[12],
        row[13],
        moment_or_none(row[14]),
        moment_or_none(row[15]),
        moment_or_none(row[16]),
        row[17],
        row[18],
        row[19],
        moment_or_none(row[20]),
        moment_or_none(row[21]),
        moment_or_none(row[22]),
        moment_or_none(row[23]),
        moment_or_none(row[24]),
    )


RECORD_COLUMNS: Final = (
    *("id", "repository_id", "file_path"),
    *("file_size", "mtime_ns", "ctime_ns", "file_system", "inode", "mode"),
    *("state", "hash_state", "hash_algorithm", "content_hash", "hash_tries", "hash_retry_at"),
    *("read_at", "last_verified", "held_id", "version", "scan_generation"),
    *("last_scanned", "missing_at", "deleted_at", "created_at", "updated_at"),
)


def record_row(record: FileRecord, repository_id: str) -> Row:
    """The columns of a record, all but the generated one."""
    id, _, path, stat, state, hash_state, *rest = record
    return (id, repository_id, path, *stat, state.value, hash_state.value, *rest)


MOVE_COLUMNS: Final = (
    *("repository_id", "id", "file_path", "ctime_ns", "mode"),
    *("version", "scan_generation", "last_scanned", "updated_at"),
)


def move_row(record: FileRecord, repository_id: str) -> Row:
    """The columns of a record that a rename changes."""
    stat, times = record.stat, (record.last_scanned, record.updated_at)
    place = (repository_id, record.id, record.path, stat.ctime_ns, stat.mode)
    return (*place, record.version, record.scan_generation, *times)


def entry_from(row: Row) -> JournalEntry:
    return JournalEntry(
        n=row[0],
        at=moment(row[1]),
        repository_id=uuid_from(row[2]),
        record_id=row[3],
        operation_id=row[4],
        kind=_KINDS[row[5]],
        path=row[6],
        path_before=row[7],
        stat=FileStat._make(row[8:14]),
        stat_before=None if row[14] is None else FileStat._make(row[14:20]),
        hash_algorithm=row[20],
        hash=row[21],
        hash_before=row[22],
    )


ENTRY_COLUMNS: Final = (
    *("n", "at", "repository_id", "record_id", "operation_id", "kind", "path", "path_before"),
    *("size", "mtime_ns", "ctime_ns", "file_system", "inode", "mode"),
    *("size_before", "mtime_ns_before", "ctime_ns_before"),
    *("file_system_before", "inode_before", "mode_before"),
    *("hash_algorithm", "hash", "hash_before", "state"),
)
_NO_STAT: Final = (None,) * 6


def entry_row(entry: JournalEntry, repository_id: str, state: RecordState) -> Row:
    """The columns of a journal entry; `state` is what the record became."""
    n, at, _, record_id, operation_id, kind, path, path_before, stat, before, *hashes = entry
    head = (n, at, repository_id, record_id, operation_id, kind.value, path, path_before)
    return (*head, *stat, *(before or _NO_STAT), *hashes, state.value)


def record_then_from(row: Row) -> FileRecord:
    """A record as the journal tells of it: what the journal does not say is left at its default."""
    return FileRecord(
        row[0],
        uuid_from(row[1]),
        row[2],
        FileStat._make(row[3:9]),
        _RECORD_STATES[row[9]],
        HashState.PENDING if row[11] is None else HashState.DONE,
        row[10],
        row[11],
        updated_at=moment(row[12]),
    )


def repository_from(row: Row) -> Repository:
    return Repository(
        id=uuid_from(row[0]),
        name=row[1],
        host=row[2],
        root=row[3],
        settings=json.loads(row[4]),
        declared=bool(row[5]),
        paused=bool(row[6]),
        clean=bool(row[7]),
        generation=row[8],
        fence=row[9],
        owner=row[10],
        lease_until=moment_or_none(row[11]),
        root_file_system=row[12],
        root_inode=row[13],
        files=row[14],
        bytes=row[15],
        hashed=row[16],
        missing=row[17],
        ignored=row[18],
        health=json.loads(row[19]),
        created_at=moment(row[20]),
        removed_at=moment_or_none(row[21]),
    )


def operation_from(row: Row) -> SyncOperation:
    return SyncOperation(
        id=row[0],
        repository_id=uuid_from(row[1]),
        type=OperationType(row[2]),
        status=OperationStatus(row[3]),
        scope=row[4],
        generation=row[5],
        counts=Counts(*row[6:15]),
        start_time=moment(row[15]),
        end_time=moment_or_none(row[16]),
        duration_ms=row[17],
        error_message=row[18],
    )


def hold_from(row: Row) -> HeldDeletion:
    return HeldDeletion(
        id=row[0],
        repository_id=uuid_from(row[1]),
        status=HoldStatus(row[2]),
        gone=row[3],
        live=row[4],
        reason=row[5],
        opened_at=moment(row[6]),
        decided_at=moment_or_none(row[7]),
        decided_by=row[8],
    )


def problem_from(row: Row) -> KnownProblem:
    return KnownProblem(
        repository_id=uuid_from(row[0]),
        problem=Problem(row[1], ProblemCode(row[2]), row[3]),
        first_seen=moment(row[4]),
        last_seen=moment(row[5]),
    )


def job_from(row: Row) -> Job:
    return Job(
        id=row[0],
        action=row[1],
        key=row[2],
        payload=json.loads(row[3]),
        state=JobState(row[4]),
        priority=row[5],
        tries=row[6],
        not_before=moment(row[7]),
        lease_until=moment_or_none(row[8]),
        last_error=row[9],
        created_at=moment(row[10]),
    )


def schedule_from(row: Row) -> Schedule:
    return Schedule(
        repository_id=uuid_from(row[0]),
        kind=ScheduleKind(row[1]),
        started_at=moment_or_none(row[2]),
        ended_at=moment_or_none(row[3]),
        due_at=moment_or_none(row[4]),
    )


def waiting_from(row: Row) -> Waiting:
    return Waiting(
        key=row[0],
        kind=WaitingKind(row[1]),
        repository_id=None if row[2] is None else uuid_from(row[2]),
        message=row[3],
        since=moment(row[4]),
        told_at=moment_or_none(row[5]),
        told=row[6],
        over_at=moment_or_none(row[7]),
    )


def repository_row(repository: Repository) -> Mapping[str, Any]:
    """What a new repository brings along; the rest is the store's."""
    return {
        "id": str(repository.id),
        "name": repository.name,
        "host": repository.host,
        "root": repository.root,
        "settings": json_text(repository.settings),
        "declared": repository.declared,
        "paused": repository.paused,
        "health": json_text(repository.health),
    }
