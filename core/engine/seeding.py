"""Hashes from elsewhere: what a list says of files whose content was not read yet, to be verified later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import anyio

from treeledger.engine.patience import patient
from treeledger.engine.reconcile import operation
from treeledger.engine.recorder import Recorder
from treeledger.engine.run import INTERRUPTED, Run
from treeledger.engine.session import LEASE_SECONDS, Session, Tools
from treeledger.model import (
    Change,
    ChangeKind,
    FileRecord,
    HashState,
    Lease,
    OperationType,
    RecordState,
    Repository,
)

_PATIENCE: Final = 20.0  # seconds that a store that is away is waited for
_UNREAD: Final = (HashState.PENDING, HashState.FAILED)


class Differing(NamedTuple):
    """A path whose recorded hash is not the listed one."""

    path: str
    listed: str
    recorded: str


@dataclass(slots=True)
class Seeded:
    """What became of a list: `seeded` now, `known` before, or of no present record that wants a hash."""

    seeded: int = 0
    known: int = 0
    unknown: int = 0
    differing: list[Differing] = field(default_factory=list)


class Seeder:
    """Writes the hashes of one algorithm into one repository, whose lease it holds."""

    def __init__(self, tools: Tools, lease: Lease, recorder: Recorder, run: Run, algorithm: str) -> None:
        self._tools = tools
        self._lease = lease
        self._recorder = recorder
        self._run = run
        self._algorithm = algorithm

    async def seed(self, hashes: Mapping[str, str]) -> Seeded:
        """Takes a batch of digests by path (stored form). Raises LeaseLost, StoreUnavailable."""
        done = Seeded()
        while hashes:
            await self._tools.store.renew([self._lease], self._tools.owner, LEASE_SECONDS)
            records = await self._tools.store.records_at(self._lease.repository_id, list(hashes))
            changes = self._changes(hashes, records, done)
            applied = await self._recorder.apply(changes, self._run) if changes else None
            done.seeded += len(applied.records) if applied is not None else 0
            conflicts = applied.conflicts if applied is not None else []
            hashes = {change.after.path: hashes[change.after.path] for change in conflicts}
        return done

    def _changes(
        self, hashes: Mapping[str, str], records: Mapping[str, FileRecord], done: Seeded
    ) -> list[Change]:
        changes = []
        for path, digest in hashes.items():
            record = records.get(path)
            if record is None or record.state is not RecordState.PRESENT:
                done.unknown += 1
            elif record.content_hash is not None and record.hash_algorithm == self._algorithm:
                if record.content_hash == digest:
                    done.known += 1
                else:
                    done.differing.append(Differing(path, digest, record.content_hash))
            elif record.hash_state in _UNREAD:
                changes.append(Change(ChangeKind.HASHED, record, self._seeded(record, digest)))
            else:
                done.unknown += 1
        return changes

    def _seeded(self, record: FileRecord, digest: str) -> FileRecord:
        return record._replace(
            hash_state=HashState.VERIFY,
            hash_algorithm=self._algorithm,
            content_hash=digest,
            hash_tries=0,
            hash_retry_at=None,
        )


@asynccontextmanager
async def seeded_in(session: Session, algorithm: str) -> AsyncIterator[Seeder]:
    """As `seeding`, in a repository that is in hand already."""
    context = session.context
    async with operation(session, OperationType.MANUAL) as run:
        yield Seeder(session.tools, context.lease, context.recorder, run, algorithm)


@asynccontextmanager
async def seeding(tools: Tools, repository: Repository, algorithm: str) -> AsyncIterator[Seeder]:
    """Takes a repository in hand; its root need not be there. Raises EngineLocked, StoreUnavailable."""
    store = patient(tools.store, _PATIENCE)
    lease = await store.claim(repository.id, tools.owner, LEASE_SECONDS)
    run = Run(store, lease, OperationType.MANUAL, "")
    error: str | None = INTERRUPTED
    try:
        recorder = Recorder(store, repository, lease, tools.hub)
        yield Seeder(tools, lease, recorder, run, algorithm)
        error = None
    finally:
        with anyio.move_on_after(2, shield=True):
            await run.finish(error)
            await store.release(lease, clean=repository.clean)
