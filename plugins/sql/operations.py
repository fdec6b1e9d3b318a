"""Operations: one run each, with its counts; and what a completed scan covered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from treeledger.errors import UsageError
from treeledger.model import Counts, Lease, OperationStatus, OperationType, ScanScope, SyncOperation
from treeledger.plugins.sql.leases import hold_lease
from treeledger.plugins.sql.paths import covers
from treeledger.plugins.sql.values import json_text, moment, operation_from, uuid_from
from treeledger.plugins.sql.work import Part, Query, Work, ask, ask_together, each
from treeledger.protocols import LastOperations


class Operations(Part):
    async def begin_operation(
        self, lease: Lease, type: OperationType, scope: str, *, scan: bool
    ) -> SyncOperation:
        return await self.session.write(_begin(lease, type, scope, scan))

    async def finish_operation(
        self, operation_id: int, counts: Counts, *, error: str | None = None, scopes: Sequence[ScanScope] = ()
    ) -> SyncOperation:
        return await self.session.write(_finish(operation_id, counts, error, scopes))

    async def operations(
        self,
        repository_id: UUID | None,
        *,
        limit: int,
        problems_only: bool = False,
        before: int | None = None,
        bursts: bool = True,
    ) -> list[SyncOperation]:
        wanted: dict[str, Any] = {
            "repository_id": None if repository_id is None else str(repository_id),
            "problems_only": problems_only,
            "bursts": bursts,
            "before": before,
            "limit": limit,
        }
        return await self.session.read(_operations(wanted))

    async def last_operations(self, repository_id: UUID | None = None) -> Mapping[UUID, LastOperations]:
        return await self.session.read(_last(None if repository_id is None else str(repository_id)))


def _begin(lease: Lease, type: OperationType, scope: str, scan: bool) -> Work[SyncOperation]:
    yield from hold_lease(lease)
    repository, generation = str(lease.repository_id), 0
    if scan:
        [(generation,)] = yield from ask("next_generation", id=repository)
    [row] = yield from ask(
        "begin_operation", repository_id=repository, type=type.value, scope=scope, generation=generation
    )
    return operation_from(row)


def _finish(
    operation_id: int, counts: Counts, error: str | None, scopes: Sequence[ScanScope]
) -> Work[SyncOperation]:
    """One that was closed meanwhile, because its engine was taken for dead, stays as it is."""
    status = OperationStatus.COMPLETED if error is None else OperationStatus.FAILED
    rows = yield from ask(
        "finish_operation", id=operation_id, status=status.value, error=error, **asdict(counts)
    )
    if not rows:
        rows = yield from ask("operation", id=operation_id)
        if not rows:
            raise UsageError(f"there is no operation {operation_id}")
        return operation_from(rows[0])
    operation = operation_from(rows[0])
    if error is None and scopes:
        yield from _add_scopes(operation.repository_id, scopes)
    return operation


def _add_scopes(repository_id: UUID, scopes: Sequence[ScanScope]) -> Work[None]:
    """Older scopes that a new one covers say nothing more: they go, so that there are always few."""
    repository = str(repository_id)
    older = [
        ScanScope(prefix, generation, tuple(json.loads(unknown)))
        for prefix, generation, unknown in (yield from ask("scopes", repository_id=repository))
    ]
    covered = [old for old in older if any(_replaces(scope, old) for scope in scopes)]
    keys = [(repository, scope.generation, scope.prefix) for scope in covered]
    yield from each("drop_scope", ("repository_id", "generation", "prefix"), keys)
    rows = [(repository, scope.generation, scope.prefix, json_text(scope.unknown)) for scope in scopes]
    yield from each("add_scope", ("repository_id", "generation", "prefix", "unknown"), rows)


def _replaces(scope: ScanScope, older: ScanScope) -> bool:
    return older.generation <= scope.generation and covers(
        scope.prefix, scope.unknown, older.prefix, older.unknown
    )


def _operations(wanted: dict[str, Any]) -> Work[list[SyncOperation]]:
    rows = yield from ask("operations", **wanted)
    return [operation_from(row) for row in rows]


def _last(repository_id: str | None) -> Work[dict[UUID, LastOperations]]:
    given = {"repository_id": repository_id}
    rows, scans = yield from ask_together(Query("last_operations", given), Query("last_scans", given))
    scanned = {uuid_from(id): moment(at) for id, at in scans}
    found = [operation_from(row) for row in rows]
    return {one.repository_id: LastOperations(one, scanned.get(one.repository_id)) for one in found}
