"""Repositories, who has their lease, and the file systems they live on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from treeledger.errors import EngineLocked, RepositoryNotFound, UsageError
from treeledger.model import FileSystemIdentity, Lease, Repository
from treeledger.overlap import refuse_overlap
from treeledger.plugins.sql.leases import hold_lease, lost
from treeledger.plugins.sql.values import json_text, repository_from, repository_row, uuid_from
from treeledger.plugins.sql.work import Part, Row, Work, ask, run

_PURGE_BATCH: Final = 5000
_PURGED: Final = (
    "purge_scopes",
    "purge_dirty",
    "purge_problems",
    "purge_holds",
    "purge_schedules",
    "zero_counters",
)
_OF_ANOTHER: Final = (
    '; or, if this is that machine under another name, write at the top of plugins.toml: host = "{host}"'
)
_ABANDONED: Final = "the engine that ran it ended without finishing it"


class Repositories(Part):
    async def add_repository(self, repository: Repository) -> Repository:
        return await self.session.write(_add(repository))

    async def repositories(self) -> list[Repository]:
        return await self.session.read(_repositories())

    async def update_repository(
        self,
        repository_id: UUID,
        *,
        name: str | None = None,
        root: str | None = None,
        settings: Mapping[str, Any] | None = None,
        declared: bool | None = None,
        paused: bool | None = None,
        health: Mapping[str, Any] | None = None,
        root_identity: tuple[int, int] | None = None,
        lease: Lease | None = None,
    ) -> None:
        file_system, inode = root_identity or (None, None)
        await self.session.write(
            _update(
                repository_id,
                lease,
                name=name,
                root=root,
                settings=None if settings is None else json_text(settings),
                declared=declared,
                paused=paused,
                health=None if health is None else json_text(health),
                root_file_system=file_system,
                root_inode=inode,
            )
        )

    async def remove_repository(self, repository_id: UUID, *, purge: bool) -> None:
        await self.session.write(_remove(repository_id))
        if purge:
            while await self.session.write(_purge_records(repository_id)):
                pass
            await self.session.write(_purge_rest(repository_id))

    async def claim(self, repository_id: UUID, owner: str, seconds: float) -> Lease:
        return await self.session.write(_claim(repository_id, owner, seconds))

    async def release(self, lease: Lease, *, clean: bool) -> None:
        await self.session.write(_release(lease, clean))

    async def file_system(self, identity: FileSystemIdentity) -> int:
        return await self.session.write(_file_system(identity))

    async def file_system_identity(self, number: int) -> FileSystemIdentity | None:
        return await self.session.read(_file_system_identity(number))


def _add(repository: Repository) -> Work[Repository]:
    row = repository_row(repository)
    yield from _refuse_taken(repository.id, repository.name, repository.host, repository.root)
    added = yield from ask("revive_repository", **row)
    added = added or (yield from ask("add_repository", **row))
    if not added:
        yield from _refuse_taken(None, repository.name, repository.host, repository.root)
        raise UsageError(f"a repository with the id {repository.id} exists already")
    return (yield from _repository(repository.id))


def _refuse_taken(own: UUID | None, name: str, host: str, root: str) -> Work[None]:
    """Raises UsageError if another repository has the name, or the root or a part of it; till the end of
    this transaction nobody else takes either."""
    yield from run("lock_roots")
    for id, its_name, its_host, its_root in (yield from ask("repository_names", name=name, host=host)):
        if uuid_from(id) == own:
            continue
        if its_host == host:
            refuse_overlap(root, its_name, its_root)
        if its_name == name:
            where = its_root if its_host == host else f"{its_root} on {its_host}"
            advice = "" if its_host == host else _OF_ANOTHER.format(host=its_host)
            raise UsageError(
                f"there is a repository named {name} already, at {where}; choose another name{advice}"
            )


def _repositories() -> Work[list[Repository]]:
    return [repository_from(row) for row in (yield from ask("repositories"))]


def _repository(repository_id: UUID) -> Work[Repository]:
    rows = yield from ask("repository", id=str(repository_id))
    if not rows:
        raise _unknown(repository_id)
    return repository_from(rows[0])


def _unknown(repository_id: UUID) -> RepositoryNotFound:
    return RepositoryNotFound(f"no repository has the id {repository_id}; `treeledger repo` lists them")


def _update(repository_id: UUID, lease: Lease | None, **values: Any) -> Work[None]:
    if lease is not None:
        yield from hold_lease(lease)
    now = yield from _repository(repository_id)
    if values["name"] is not None or values["root"] is not None:
        name, root = values["name"] or now.name, values["root"] or now.root
        yield from _refuse_taken(now.id, name, now.host, root)
    if not (yield from ask("update_repository", id=str(repository_id), **values)):
        raise _unknown(repository_id)


def _remove(repository_id: UUID) -> Work[None]:
    if not (yield from ask("remove_repository", id=str(repository_id))):
        raise _unknown(repository_id)


def _purge_records(repository_id: UUID) -> Work[int]:
    """One batch, so that nobody waits long; a purge that was cut short is taken up by the next."""
    return len((yield from ask("purge_records", id=str(repository_id), limit=_PURGE_BATCH)))


def _purge_rest(repository_id: UUID) -> Work[None]:
    """All but the journal and the operations, which are history."""
    for name in _PURGED:
        yield from run(name, id=str(repository_id))


def _claim(repository_id: UUID, owner: str, seconds: float) -> Work[Lease]:
    rows = yield from ask("claim", id=str(repository_id), owner=owner, lease=timedelta(seconds=seconds))
    if not rows:
        raise _not_claimed((yield from _repository(repository_id)))
    yield from run("abandon_operations", id=str(repository_id), error=_ABANDONED)
    return Lease(repository_id, owner, rows[0][0])


def _not_claimed(repository: Repository) -> Exception:
    if repository.removed_at is not None or repository.lease_until is None:
        return _unknown(repository.id)
    return EngineLocked(
        f"{repository.name} is watched by {repository.owner}, at least until "
        f"{repository.lease_until:%H:%M:%S} UTC. Stop that engine, or wait until its lease ends."
    )


def reclaim(owner: str, *, host: str | None = None, dead: str | None = None) -> Work[None]:
    """Frees what engines left that ended without a word; of one host, or of all that use the ledger.

    The caller has just taken their lock as `owner`; `dead` had it before, and its jobs are free, too.
    """
    yield from run("abandon_of_gone", owner=owner, host=host, error=_ABANDONED)
    yield from run("free_leases", owner=owner, host=host)
    if dead is not None:
        yield from run("free_jobs", owner=dead)


def renew_leases(leases: Sequence[Lease], owner: str, seconds: float) -> Work[list[Lease]]:
    """Extends leases and returns those that are lost."""
    if not leases:
        return []
    ids = [lease.repository_id for lease in leases]
    rows: Sequence[Row] = yield from ask("renew", ids=ids, owner=owner, lease=timedelta(seconds=seconds))
    held = {(uuid_from(id), fence) for id, fence in rows}
    return [lease for lease in leases if (lease.repository_id, lease.fence) not in held]


def _release(lease: Lease, clean: bool) -> Work[None]:
    """Closes what is still running, too: whoever was stopped while an operation began knows nothing of it."""
    rows = yield from ask(
        "release", id=str(lease.repository_id), fence=lease.fence, owner=lease.owner, clean=clean
    )
    if not rows:
        raise lost(lease)
    yield from run("abandon_operations", id=str(lease.repository_id), error=_ABANDONED)


def _file_system(identity: FileSystemIdentity) -> Work[int]:
    values = {
        "host": identity.host,
        "mount_path": identity.mount_path,
        "type": identity.type,
        "identity": identity.identity,
        "device": identity.device,
    }
    rows = yield from ask("find_file_system", **values)
    if not rows:
        added = yield from ask("add_file_system", **values)
        if added:
            number: int = added[0][0]
            return number
        rows = yield from ask("find_file_system", **values)
    number, mount_path, device = rows[0]
    if (mount_path, device) != (identity.mount_path, identity.device):
        yield from run(
            "touch_file_system", number=number, mount_path=identity.mount_path, device=identity.device
        )
    return number


def _file_system_identity(number: int) -> Work[FileSystemIdentity | None]:
    rows = yield from ask("file_system", number=number)
    return FileSystemIdentity(*rows[0]) if rows else None
