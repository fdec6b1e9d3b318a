"""The ledger in one SQLite file."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from anyio import to_thread

from treeledger.errors import StoreError, StoreRefused, StoreUnavailable, StoreVersionError, UsageError
from treeledger.migrations import Scripted, scripts
from treeledger.model import Holder, Lease
from treeledger.names import os_from_stored, stored_from_os
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
from treeledger.plugins.sql.repositories import Repositories, reclaim, renew_leases
from treeledger.plugins.sql.schedules import Schedules
from treeledger.plugins.sql.tallies import Tallies
from treeledger.plugins.sql.waiting import Waits
from treeledger.plugins.sqlite import place
from treeledger.plugins.sqlite.errors import ERRORS, wrapped
from treeledger.plugins.sqlite.lock import EngineLock
from treeledger.plugins.sqlite.session import OWN_POLL, POLL, SqliteSession
from treeledger.protocols import Migration, PartRef, Tables


class SqliteStore(
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
    """A `treeledger.protocols.Store` in one file, for one machine. `schema` is what it is migrated to.

    Opening migrates an older ledger, after a backup, unless it may not.
    """

    session: SqliteSession

    def __init__(
        self, path: Path, schema: Sequence[Scripted] | None = None, *, may_migrate: bool = True
    ) -> None:
        self.url = f"sqlite:{path}"
        self.session = SqliteSession(path)
        self._path = path
        self._schema = scripts("sqlite") if schema is None else schema
        self._may_migrate = may_migrate
        self._lock = EngineLock(path.with_name(path.name + ".lock"))

    # life and schema

    async def open(self, *, copy_of: str = "") -> None:
        await to_thread.run_sync(self._prepare)
        known = await self.migrations()
        migrating.refuse_newer(known, self.url, copy_of)
        missing = migrating.missing(known)
        if missing and not (self._may_migrate or migrating.is_empty(known)):
            raise StoreVersionError(
                f"{self.url} has an older schema than this treeledger ({missing[0].version} is missing),"
                " and auto_migrate = false. Nothing was changed. Run `treeledger migrate up`."
            )
        if missing:
            await self.migrate()

    def _prepare(self) -> None:
        try:
            place.prepare(self._path)
        except OSError as error:
            kind = StoreUnavailable if error.errno == errno.ENOSPC else StoreRefused
            raise kind(
                f"the ledger {self._path} cannot be made: {error.strerror}. Nothing was changed. Name a place"
                " that can be written with --store sqlite:PATH"
            ) from error

    async def aclose(self) -> None:
        await self.session.aclose()
        self._lock.close()

    async def migrations(self) -> list[Migration]:
        if not self._path.exists():
            return [Migration(script.version, script.name, None, True) for script in self._schema]
        await to_thread.run_sync(place.refuse_foreign, self._path)
        return await migrating.listed(self.session, self._schema)

    async def migrate(self) -> list[Migration]:
        await to_thread.run_sync(self._prepare)
        known = await self.migrations()
        migrating.refuse_newer(known, self.url)
        if migrating.missing(known) and not migrating.is_empty(known):
            version = max(migration.version for migration in known if migration.applied_at)
            stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
            await to_thread.run_sync(_copy, self._path, Path(f"{self._path}.backup-{version}-{stamp}"))
        return await migrating.apply_missing(self.session, self._schema)

    async def backup(self, target: str) -> None:
        await to_thread.run_sync(_copy_with_new_epoch, self._path, Path(os_from_stored(target)))

    def own_paths(self) -> list[str]:
        return sorted({stored_from_os(str(path)) for path in (self._path, self._path.resolve())})

    def reader(self) -> PartRef:
        return PartRef(
            "treeledger.plugins.sqlite.reader",
            "SqliteReader",
            {"path": str(self._path), "known": self.session.file.known},
        )

    def all_tables(self) -> Tables:
        from treeledger.plugins.sqlite.tables import SqliteTables

        return SqliteTables(self._path)

    # engines

    async def lock_engine(self, host: str, command: str) -> str:
        dead = await to_thread.run_sync(self._lock.take, host, command)
        owner = self._lock.owner
        try:
            await self.session.write(reclaim(owner, dead=dead))
        except BaseException:
            self._lock.release(owner)
            raise
        self.session.poll = OWN_POLL
        return owner

    async def unlock_engine(self, owner: str) -> None:
        self.session.poll = POLL
        await to_thread.run_sync(self._lock.release, owner)

    async def announce_engine(self, owner: str, address: str) -> None:
        await to_thread.run_sync(self._lock.announce, owner, address)

    async def engine_holder(self, host: str) -> Holder | None:
        return await to_thread.run_sync(self._lock.holder)

    async def engines(self) -> list[Holder]:
        holder = await to_thread.run_sync(self._lock.holder)
        return [] if holder is None else [holder]

    async def claim(self, repository_id: UUID, owner: str, seconds: float) -> Lease:
        await to_thread.run_sync(self._lock.keep)
        return await super().claim(repository_id, owner, seconds)

    async def renew(self, leases: Sequence[Lease], owner: str, seconds: float) -> list[Lease]:
        await to_thread.run_sync(self._lock.keep)
        return await self.session.write(renew_leases(leases, owner, seconds))


def _copy(source: Path, target: Path) -> None:
    """A consistent copy, readable by its owner only, while others read and write."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise UsageError(f"{target} exists already; name a file that does not") from None
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    try:
        with closing(sqlite3.connect(source, isolation_level=None)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
    except ERRORS as error:
        target.unlink(missing_ok=True)
        raise wrapped(error, source) from error


def _copy_with_new_epoch(source: Path, target: Path) -> None:
    """The copy and the original go separate ways, so their journals must not be taken for one another."""
    _copy(source, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("UPDATE journal_head SET epoch = ?", (secrets.token_hex(8),))
