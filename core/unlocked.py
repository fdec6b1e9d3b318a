"""A ledger as far as no engine is needed: to look things up in, to add and remove repositories.

It works whoever holds the engine lock, and importing it imports no engine: `treeledger status` has
answered by the time that one would be ready.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import UUID

import anyio

from treeledger.config.configuration import Configuration, load
from treeledger.config.discovery import find
from treeledger.config.stores import store_options
from treeledger.engine.patience import patiently
from treeledger.model import FileRecord, Holder, RecordState, Repository, SyncOperation
from treeledger.names import stored_from_os
from treeledger.plugin_manager import PluginManager
from treeledger.protocols import FileQuery, LastOperations, Store
from treeledger.repositories import Repositories

if TYPE_CHECKING:
    from treeledger.config.show import Row


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The state of one repository at a glance. `next_reconciliation` is known while an engine runs."""

    repository_id: UUID
    total_files: int
    total_bytes: int
    is_watching: bool
    state: str
    message: str
    last_operation: SyncOperation | None
    last_scan_time: datetime | None
    next_reconciliation: datetime | None


class UnlockedLedger(Repositories):
    """One store and its repositories, without the engine that works on them."""

    def __init__(self, configuration: Configuration, plugins: PluginManager, store: Store) -> None:
        super().__init__(configuration, store)
        self.plugins = plugins
        self.hint: str | None = None  # about a configuration file that was passed over
        self._patience = 0.0  # seconds to wait for a store that is away when something starts
        self._opened_with: tuple[str | None, Mapping[str, str]] = (None, os.environ)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        store: str | None = None,
        config: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] = os.environ,
        patience: float = 0.0,
    ) -> AsyncIterator[Self]:
        """Opens the ledger that the arguments, the environment and plugins.toml name.

        A store that is away is waited for `patience` seconds, but not one that refuses.
        Raises ConfigurationError, PluginError, StoreUnavailable, StoreVersionError.
        """
        found = find(Path(config) if config is not None else None, environ, Path.cwd())
        configuration = load(found.path, environ)
        plugins = PluginManager(configuration)
        ledger = cls(configuration, plugins, plugins.store_for(store_options(configuration, store, environ)))
        ledger.hint = found.hint
        ledger._opened_with = store, environ
        ledger._patience = patience
        try:
            await patiently(ledger.store.open, patience)
            yield ledger
        finally:
            with anyio.CancelScope(shield=True):
                await ledger.store.aclose()

    def settings_in_effect(self) -> list[Row]:
        """Every value of the configuration with its origin, secrets masked. Raises ConfigurationError."""
        from treeledger.config.show import rows

        return rows(self.configuration, *self._opened_with)

    async def sync_status(self, wanted: UUID | str) -> SyncStatus:
        """The state of one repository, whoever keeps it."""
        repository = await self.repository(wanted)
        last = await self.store.last_operations(repository.id)
        holder = await self.store.engine_holder(repository.host)
        return _status(repository, holder, last.get(repository.id))

    async def statuses(
        self, repositories: Sequence[Repository]
    ) -> list[tuple[Repository, SyncStatus, Holder | None]]:
        """As `sync_status`, of many at once, each with the engine of its host."""
        hosts = {one.host for one in repositories}
        holders = {host: await self.store.engine_holder(host) for host in hosts}
        last = await self.store.last_operations()
        return [
            (one, _status(one, holders[one.host], last.get(one.id)), holders[one.host])
            for one in repositories
        ]

    async def list_file_records(
        self, wanted: UUID | str, *, prefix: str = "", states: Sequence[RecordState] = (RecordState.PRESENT,)
    ) -> AsyncIterator[FileRecord]:
        """The records of a repository in path order, read page by page."""
        repository = await self.repository(wanted)
        query = FileQuery(repository.id, prefix, tuple(states))
        async for record in self.files(query):
            yield record

    async def files(self, query: FileQuery) -> AsyncIterator[FileRecord]:
        """Every record that a query asks for, page by page."""
        while page := await self.store.files(query):
            for record in page:
                yield record
            if len(page) < query.limit:
                return
            query = replace(query, after=(page[-1].repository_id, page[-1].path))

    async def get_file_record(self, wanted: UUID | str, path: str) -> FileRecord | None:
        """The record at a path relative to the repository's root: the live one, else the last deleted."""
        repository = await self.repository(wanted)
        stored = stored_from_os(path)
        return (await self.store.records_at(repository.id, [stored])).get(stored)

    async def sync_operations(
        self, wanted: UUID | str | None = None, *, limit: int = 20
    ) -> list[SyncOperation]:
        """The last operations, newest first; of all repositories for None."""
        id = None if wanted is None else (await self.repository(wanted)).id
        return await self.store.operations(id, limit=limit)


def _status(repository: Repository, holder: Holder | None, last: LastOperations | None) -> SyncStatus:
    is_of_now = holder is not None and repository.health.get("owner") == holder.owner
    health = repository.health if is_of_now else {}
    state = "paused" if repository.paused else health.get("state", "stopped")
    upcoming = health.get("next_reconciliation")
    return SyncStatus(
        repository_id=repository.id,
        total_files=repository.files,
        total_bytes=repository.bytes,
        is_watching=state in ("watching", "scanning", "degraded", "held"),
        state=state,
        message=health.get("message", ""),
        last_operation=None if last is None else last.last,
        last_scan_time=None if last is None else last.scanned_at,
        next_reconciliation=datetime.fromisoformat(upcoming) if upcoming else None,
    )
