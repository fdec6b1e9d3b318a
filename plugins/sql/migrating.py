"""Bringing a ledger to this program's schema: plain SQL files, each in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from treeledger.errors import StoreVersionError
from treeledger.migrations import Scripted
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Script, Session, Work, ask, run
from treeledger.protocols import Migration


async def listed(session: Session, scripts: Sequence[Scripted]) -> list[Migration]:
    """Every migration that this program knows or the ledger has, in order."""
    applied = await session.read(_applied())
    known = {script.version: Migration(script.version, script.name, None, True) for script in scripts}
    for migration in applied:
        is_known = migration.version in known
        known[migration.version] = migration._replace(known=is_known)
    return [known[version] for version in sorted(known)]


def _applied() -> Work[list[Migration]]:
    [(exists,)] = yield from ask("has_migrations")
    rows = (yield from ask("applied_migrations")) if exists else ()
    return [Migration(version, name, moment(applied_at), True) for version, name, applied_at in rows]


async def apply_missing(session: Session, scripts: Sequence[Scripted]) -> list[Migration]:
    """Applies what is missing and returns it. Safe beside others who do the same.

    A new ledger is made in one transaction: nobody finds it half made, whatever happens meanwhile.
    """
    known = await listed(session, scripts)
    missing = {migration.version for migration in known if not migration.applied_at}
    wanted = [script for script in scripts if script.version in missing]
    for step in [wanted] if is_empty(known) else [[script] for script in wanted]:
        await session.migrate(_apply(step))
    return [migration for migration in await listed(session, scripts) if migration.version in missing]


def _apply(scripts: Sequence[Scripted]) -> Work[None]:
    yield from run("lock_migrations")
    yield from run("create_migrations")
    applied = {migration.version for migration in (yield from _applied())}
    for script in scripts:
        if script.version not in applied:
            yield Script(script.sql)
            yield from run("add_migration", version=script.version, name=script.name)


def refuse_newer(migrations: Sequence[Migration], url: str, copy_of: str = "") -> None:
    """Raises StoreVersionError if the ledger has migrations that this program does not know, or is half a
    copy of another ledger than that with the epoch `copy_of`."""
    if any(one.is_half_copy and one.name != copy_of for one in migrations):
        raise StoreVersionError(
            f"{url} is half a copy of another ledger. Nothing was changed. Copy it to its end with "
            "`treeledger store copy FROM TO`, the same two as before; or delete it and begin anew."
        )
    newer = [migration for migration in migrations if not (migration.known or migration.is_half_copy)]
    if newer:
        raise StoreVersionError(
            f"{url} was written by a newer treeledger (schema {newer[-1].version}). Nothing was changed. "
            "Upgrade this treeledger, or name another ledger with --store."
        )


def missing(migrations: Sequence[Migration]) -> list[Migration]:
    return [migration for migration in migrations if migration.applied_at is None]


def is_empty(migrations: Sequence[Migration]) -> bool:
    """Whether nothing was ever applied: a new ledger is made, not migrated."""
    return all(migration.applied_at is None for migration in migrations)
