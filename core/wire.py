"""The ledger's values as JSON gives them: on the command line with `--json`, over HTTP, in events.

Times are RFC 3339 in UTC, sizes bytes, times of files nanoseconds since 1970. Paths are relative to
the root of their repository, in stored form (see `treeledger.names`); a repository goes by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from treeledger import model, scheduling, waiting

if TYPE_CHECKING:
    from treeledger.config.tables import PluginTables
    from treeledger.plugin_manager import PluginStatus
    from treeledger.unlocked import SyncStatus


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of JSON object."""

    def fields(self) -> dict[str, Any]:
        """Its keys and values, in order, as plain data; only times are still times."""
        plain: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(datetime,))
        return plain


class Repository(Form, frozen=True, kw_only=True):
    """A repository and how it is. `state` as in `treeledger.engine.hub.RepositoryState`."""

    id: UUID
    name: str
    root: str
    host: str
    state: str
    message: str
    files: int
    bytes: int
    hashed: int
    missing: int
    is_watching: bool
    last_scan: datetime | None
    next_reconciliation: datetime | None
    last_operation: str | None
    engine: str | None
    health: dict[str, Any]

    @classmethod
    def of(cls, repository: model.Repository, status: SyncStatus, holder: model.Holder | None) -> Repository:
        last = status.last_operation
        return cls(
            id=repository.id,
            name=repository.name,
            root=repository.root,
            host=repository.host,
            state=status.state,
            message=status.message,
            files=status.total_files,
            bytes=status.total_bytes,
            hashed=repository.hashed,
            missing=repository.missing,
            is_watching=status.is_watching,
            last_scan=status.last_scan_time,
            next_reconciliation=status.next_reconciliation,
            last_operation=None if last is None else last.type.value,
            engine=None if holder is None else f"{holder.command} (pid {holder.pid})",
            health=repository.health if status.is_watching else {},
        )


class Record(Form, frozen=True, kw_only=True):
    """What the ledger knows of one file."""

    id: int
    repository: str
    path: str
    size: int
    mtime_ns: int
    hash: str | None
    hash_algorithm: str | None
    hash_state: str
    state: str
    last_scanned: datetime | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, record: model.FileRecord, repository: str) -> Record:
        return cls(
            id=record.id,
            repository=repository,
            path=record.path,
            size=record.stat.size,
            mtime_ns=record.stat.mtime_ns,
            hash=record.content_hash,
            hash_algorithm=record.hash_algorithm,
            hash_state=record.hash_state.value,
            state=record.state.value,
            last_scanned=record.last_scanned,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class Change(Form, frozen=True, kw_only=True):
    """An entry of the journal. `cursor` is where to go on after it, `id` its record's."""

    n: int
    cursor: str
    at: datetime
    repository: str
    kind: str
    path: str
    path_before: str | None
    id: int
    size: int
    mtime_ns: int
    hash: str | None
    hash_before: str | None
    operation: int | None

    @classmethod
    def of(cls, entry: model.JournalEntry, repository: str, epoch: str) -> Change:
        return cls(
            n=entry.n,
            cursor=f"{epoch}:{entry.n}",
            at=entry.at,
            repository=repository,
            kind=entry.kind.value,
            path=entry.path,
            path_before=entry.path_before,
            id=entry.record_id,
            size=entry.stat.size,
            mtime_ns=entry.stat.mtime_ns,
            hash=entry.hash,
            hash_before=entry.hash_before,
            operation=entry.operation_id,
        )


class Operation(Form, frozen=True, kw_only=True):
    """One run and its counts."""

    id: int
    repository: str
    type: str
    status: str
    scope: str
    generation: int
    started: datetime
    ended: datetime | None
    duration_ms: int | None
    files_scanned: int
    files_added: int
    files_updated: int
    files_removed: int
    files_moved: int
    files_unchanged: int
    files_hashed: int
    bytes_hashed: int
    problems: int
    error: str | None

    @classmethod
    def of(cls, operation: model.SyncOperation, repository: str) -> Operation:
        return cls(
            id=operation.id,
            repository=repository,
            type=operation.type.value,
            status=operation.status.value,
            scope=operation.scope,
            generation=operation.generation,
            started=operation.start_time,
            ended=operation.end_time,
            duration_ms=operation.duration_ms,
            error=operation.error_message,
            **counted(operation.counts),
        )


class Problem(Form, frozen=True, kw_only=True):
    """Trouble with one path, or with `is_note` something worth knowing."""

    repository: str
    path: str
    code: str
    is_note: bool
    message: str
    first_seen: datetime
    last_seen: datetime

    @classmethod
    def of(cls, known: model.KnownProblem, repository: str) -> Problem:
        return cls(
            repository=repository,
            path=known.problem.path,
            code=known.problem.code.value,
            is_note=known.problem.code.is_note,
            message=known.problem.message,
            first_seen=known.first_seen,
            last_seen=known.last_seen,
        )


class HeldDeletion(Form, frozen=True, kw_only=True):
    """Deletions that wait for a person: `gone` of `live` files were found gone."""

    id: int
    repository: str
    status: str
    gone: int
    live: int
    reason: str
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None

    @classmethod
    def of(cls, hold: model.HeldDeletion, repository: str) -> HeldDeletion:
        return cls(
            id=hold.id,
            repository=repository,
            status=hold.status.value,
            gone=hold.gone,
            live=hold.live,
            reason=hold.reason,
            opened_at=hold.opened_at,
            decided_at=hold.decided_at,
            decided_by=hold.decided_by,
        )


class Job(Form, frozen=True, kw_only=True):
    """One piece of an action's work."""

    id: int
    action: str
    key: str
    state: str
    priority: int
    tries: int
    not_before: datetime
    lease_until: datetime | None
    last_error: str | None
    created_at: datetime
    payload: dict[str, Any]

    @classmethod
    def of(cls, job: model.Job) -> Job:
        return cls(
            id=job.id,
            action=job.action,
            key=job.key,
            state=job.state.value,
            priority=job.priority,
            tries=job.tries,
            not_before=job.not_before,
            lease_until=job.lease_until,
            last_error=job.last_error,
            created_at=job.created_at,
            payload=job.payload,
        )


class Waiting(Form, frozen=True, kw_only=True):
    """Something that waits for a person. `key` names it for as long as it waits."""

    key: str
    kind: str
    repository: str | None
    message: str
    since: datetime
    told_at: datetime | None
    told: int

    @classmethod
    def of(cls, one: waiting.Waiting, repository: str | None) -> Waiting:
        return cls(
            key=one.key,
            kind=one.kind.value,
            repository=repository,
            message=one.message,
            since=one.since,
            told_at=one.told_at,
            told=one.told,
        )


class Schedule(Form, frozen=True, kw_only=True):
    """When one kind of work of a repository ran, and when it is due."""

    repository: str
    kind: str
    started_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None

    @classmethod
    def of(cls, schedule: scheduling.Schedule, repository: str) -> Schedule:
        return cls(
            repository=repository,
            kind=schedule.kind.value,
            started_at=schedule.started_at,
            ended_at=schedule.ended_at,
            due_at=schedule.due_at,
        )


class Plugin(Form, frozen=True, kw_only=True):
    """A plugin: where it comes from, and the error that puts it out of use.

    `enabled_next`: whether plugins.toml has it on now, which holds from the next start.
    """

    name: str
    origin: str
    hooks: list[str]
    enabled: bool
    enabled_next: bool
    error: str | None

    @classmethod
    def of(cls, status: PluginStatus, written: PluginTables | None = None) -> Plugin:
        """`written`: the tables of plugins.toml as they are now."""
        return cls(
            name=status.name,
            origin=status.origin,
            hooks=list(status.hooks),
            enabled=status.enabled,
            enabled_next=status.enabled if written is None else written.enabled(status.name),
            error=status.error,
        )


def counted(counts: model.Counts) -> dict[str, int]:
    """The counts of an operation by name."""
    return {name: getattr(counts, name) for name in model.Counts.__slots__}


def name_of(repository_id: UUID, names: Mapping[UUID, model.Repository]) -> str:
    """How a repository is called; one that was removed goes by its id."""
    repository = names.get(repository_id)
    return str(repository_id) if repository is None else repository.name
