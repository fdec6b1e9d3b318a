"""Deletions: what the gate counts, and what is held until a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from treeledger.errors import UsageError
from treeledger.model import FileRecord, HeldDeletion, HoldStatus, Lease
from treeledger.plugins.sql.leases import hold_lease
from treeledger.plugins.sql.values import hold_from, moment, moment_or_none, record_from
from treeledger.plugins.sql.work import Part, Work, ask
from treeledger.protocols import Gone


class Deletions(Part):
    async def gone(self, repository_id: UUID, window: timedelta) -> Gone:
        return await self.session.read(_gone(repository_id, window))

    async def gone_records(
        self, repository_id: UUID, *, held_id: int | None, since: datetime | None, limit: int, after: int = 0
    ) -> list[FileRecord]:
        wanted: dict[str, Any] = {
            "repository_id": str(repository_id),
            "held_id": held_id,
            "limit": limit,
            "after": after,
        }
        return await self.session.read(_gone_records(wanted, since))

    async def open_hold(self, lease: Lease, *, gone: int, live: int, reason: str) -> HeldDeletion:
        return await self.session.write(_open(lease, gone, live, reason))

    async def holds(
        self, repository_id: UUID | None, *, statuses: Sequence[HoldStatus]
    ) -> list[HeldDeletion]:
        return await self.session.read(_holds(repository_id, statuses))

    async def set_hold(
        self,
        hold_id: int,
        status: HoldStatus,
        *,
        by: str | None = None,
        gone: int | None = None,
        lease: Lease | None = None,
    ) -> HeldDeletion:
        return await self.session.write(_set(hold_id, status, by, gone, lease))


def _gone(repository_id: UUID, window: timedelta) -> Work[Gone]:
    repository = str(repository_id)
    [(waiting, oldest, newest, now)] = yield from ask("waiting_losses", repository_id=repository)
    [(in_window,)] = yield from ask("window_losses", repository_id=repository, span=window)
    return Gone(waiting, in_window, moment_or_none(oldest), moment_or_none(newest), moment(now))


def _gone_records(wanted: dict[str, Any], since: datetime | None) -> Work[list[FileRecord]]:
    if since is None:
        rows = yield from ask("missing_records", **wanted)
    else:
        rows = yield from ask("deleted_records", **wanted, since=since)
    return [record_from(row) for row in rows]


def _open(lease: Lease, gone: int, live: int, reason: str) -> Work[HeldDeletion]:
    yield from hold_lease(lease)
    [row] = yield from ask(
        "open_hold", repository_id=str(lease.repository_id), gone=gone, live=live, reason=reason
    )
    return hold_from(row)


def _holds(repository_id: UUID | None, statuses: Sequence[HoldStatus]) -> Work[list[HeldDeletion]]:
    rows = yield from ask(
        "holds",
        repository_id=None if repository_id is None else str(repository_id),
        statuses=[status.value for status in statuses],
    )
    return [hold_from(row) for row in rows]


def _set(
    hold_id: int, status: HoldStatus, by: str | None, gone: int | None, lease: Lease | None
) -> Work[HeldDeletion]:
    if lease is not None:
        yield from hold_lease(lease)
    rows = yield from ask("set_hold", id=hold_id, status=status.value, decided_by=by, gone=gone)
    if not rows:
        raise UsageError(
            f"there is no held deletion {hold_id} that waits; `treeledger deletions` lists those that do"
        )
    return hold_from(rows[0])
