"""The ledger in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from treeledger.errors import StoreVersionError, UsageError
from treeledger.migrations import Scripted, scripts
from treeledger.model import Holder, Lease, OperationType, SyncOperation
from treeledger.plugins.postgres import lock
from treeledger.plugins.postgres.address import address_of
from treeledger.plugins.postgres.session import PostgresSession
from treeledger.plugins.sql import migrating
from treeledger.plugins.sql.adding import Adding
from treeledger.plugins.sql.applying import Applying
from treeledger.plugins.sql.copies import Copies
from treeledger.plugins.sql.deletions import Deletions
from treeledger.plugins.sql.finding import Finding
from treeledger.plugins.sql.jobs import Jobs
from treeledger.plugins.sql.journal import Journal
from treeledger.plugins.sql.marks import Marks
from treeledger.plugins.sql.moving import Moving
from treeledger.plugins.sql.operations import Operations
from treeledger.plugins.sql.records import Records
from treeledger.plugins.sql.repositories import Repositories, renew_leases
from treeledger.plugins.sql.schedules import Schedules
from treeledger.plugins.sql.tallies import Tallies
from treeledger.plugins.sql.waiting import Waits
from treeledger.plugins.sql.work import Work, ask, run
from treeledger.protocols import Migration, PartRef, StoreOptions, Tables


class PostgresStore(
    Applying,
    Adding,
    Moving,
    Records,
    Finding,
    Deletions,
    Copies,
    Journal,
    Repositories,
    Operations,
    Marks,
    Schedules,
    Jobs,
    Tallies,
    Waits,
):
    """A `treeledger.protocols.Store` for many machines. `schema` is what it is migrated to.

    With the option `auto_migrate` opening migrates an older ledger, too.
    """

    session: PostgresSession

    def __init__(self, options: StoreOptions, schema: Sequence[Scripted] | None = None) -> None:
        self._address = address_of(options)
        self.url = self._address.url
        self.session = PostgresSession(self._address.conninfo, self.url)
        self._schema = scripts("postgres") if schema is None else schema
        self._engine: lock.Engine | None = None
        self._may_migrate = bool(options.options.get("auto_migrate"))

    # life and schema

    async def open(self, *, copy_of: str = "") -> None:
        await self.session.connect()
        known = await self.migrations()
        migrating.refuse_newer(known, self.url, copy_of)
        missing = migrating.missing(known)
        if missing and not (self._may_migrate or migrating.is_empty(known)):
            raise StoreVersionError(
                f"{self.url} has an older schema than this treeledger ({missing[0].version} is missing). "
                "Nothing was changed. Stop the other engines, back it up with pg_dump, then run "
                "`treeledger migrate up`, or set auto_migrate = true."
            )
        if missing:
            await self.migrate()

    async def aclose(self) -> None:
        await self.session.aclose()

    async def migrations(self) -> list[Migration]:
        return await migrating.listed(self.session, self._schema)

    async def migrate(self) -> list[Migration]:
        migrating.refuse_newer(await self.migrations(), self.url)
        return await migrating.apply_missing(self.session, self._schema)

    async def backup(self, target: str) -> None:
        raise UsageError(f"a PostgreSQL ledger is backed up with: pg_dump --format=custom {self.url}")

    def own_paths(self) -> list[str]:
        return []

    def all_tables(self) -> Tables:
        from treeledger.plugins.postgres.tables import PostgresTables

        return PostgresTables(self._address)

    # records

    def reader(self) -> PartRef:
        module = "treeledger.plugins.postgres.reader"
        return PartRef(module, "PostgresReader", {"address": self._address})

    # engines

    async def lock_engine(self, host: str, command: str) -> str:
        engine = lock.Engine.new(host, command)
        await self.session.write(lock.take(engine))
        self._engine = engine
        return engine.owner

    async def unlock_engine(self, owner: str) -> None:
        if self._engine is not None and self._engine.owner == owner:
            self._engine = None
        await self.session.write(run("drop_engine_lock", owner=owner))

    async def announce_engine(self, owner: str, address: str) -> None:
        if self._engine is not None and self._engine.owner == owner:
            self._engine = self._engine._replace(address=address)
            await self.session.write(lock.announce(self._engine))

    async def engine_holder(self, host: str) -> Holder | None:
        return await self.session.read(lock.holder(host))

    async def engines(self) -> list[Holder]:
        return await self.session.read(lock.holders())

    async def claim(self, repository_id: UUID, owner: str, seconds: float) -> Lease:
        if self._engine is not None:
            await self.session.write(lock.keep(self._engine, lock.LEASE))
        return await super().claim(repository_id, owner, seconds)

    async def renew(self, leases: Sequence[Lease], owner: str, seconds: float) -> list[Lease]:
        return await self.session.write(_renew(self._engine, leases, owner, seconds))

    # operations

    async def begin_operation(
        self, lease: Lease, type: OperationType, scope: str, *, scan: bool
    ) -> SyncOperation:
        if scan:
            await self.session.write(_acquaint())
        return await super().begin_operation(lease, type, scope, scan=scan)


def _acquaint() -> Work[None]:
    """Without statistics the planner sorts the whole table for each page of a scan."""
    [(is_unknown,)] = yield from ask("never_analyzed")
    if is_unknown:
        yield from run("analyze")


def _renew(
    engine: lock.Engine | None, leases: Sequence[Lease], owner: str, seconds: float
) -> Work[list[Lease]]:
    if engine is not None:
        yield from lock.keep(engine, timedelta(seconds=seconds))
    return (yield from renew_leases(leases, owner, seconds))
