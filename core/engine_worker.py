"""A ledger's work done by the engine that has it, through its API; the methods are those of `Ledger`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from treeledger import wire
from treeledger.api.routing import Form
from treeledger.client import Client
from treeledger.client_reading import part
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Judged, Scrubbed
from treeledger.engine.seeding import Differing, Seeded
from treeledger.errors import EngineAway
from treeledger.model import (
    Counts,
    FileRecord,
    FileStat,
    HashState,
    OperationStatus,
    OperationType,
    RecordState,
    Repository,
    SyncOperation,
)
from treeledger.repositories import stored_root
from treeledger.unlocked import UnlockedLedger
from treeledger.wire_events import counts_from
from treeledger.wire_work import (
    Counted,
    Empty,
    Engine,
    HashesAsked,
    HashesTaken,
    JudgedFiles,
    PathsAsked,
    Removed,
    ScanAsked,
    ScrubAsked,
    ScrubDone,
)
from treeledger.working import Told

T = TypeVar("T")
_MOST: Final = 1000  # hashes in one request
_MOST_BYTES: Final = 500_000  # of paths, as JSON, in one request


class SoFar(NamedTuple):
    """A run somewhere else, as far as it was told."""

    counts: Counts


class EngineWorker:
    """Has the engine do it. Raises EngineAway if it stops meanwhile, else what it raises."""

    def __init__(self, client: Client, ledger: UnlockedLedger) -> None:
        self.client = client
        self._ledger = ledger

    async def scan(
        self,
        repository: Repository,
        prefixes: Sequence[str] = ("",),
        *,
        rehash: bool = False,
        wait: bool = True,
        told: Told | None = None,
    ) -> SyncOperation:
        asked = ScanAsked(prefixes=list(prefixes), rehash=rehash, wait=wait)
        done = await self.done(repository, "scan", asked, wire.Operation, told)
        return operation_from(done, repository.id)

    async def scrub(
        self,
        repository: Repository,
        request: ScrubRequest = ScrubRequest(),  # noqa: B008 - it is frozen
        *,
        told: Told | None = None,
    ) -> Scrubbed:
        done = await self.done(repository, "scrub", ScrubAsked.of(request), ScrubDone, told)
        return Scrubbed(
            operation=operation_from(done.operation, repository.id),
            files=done.files,
            bytes=done.bytes,
            corrupted=done.corrupted,
            modified=done.modified,
            unreadable=done.unreadable,
            ended=done.ended,
        )

    async def accept(self, repository: Repository, paths: Sequence[str]) -> list[Judged]:
        done = await self.done(repository, "accept", PathsAsked(paths=list(paths)), JudgedFiles)
        id = repository.id
        return [Judged(record_from(one.before, id), record_from(one.after, id)) for one in done.items]

    async def settle_deletions(self, repository: Repository) -> int:
        return (await self.done(repository, "settle", Empty(), Removed)).removed

    async def watch(self, repository: Repository) -> None:
        """Has the engine keep a repository that it does not keep yet."""
        await self.done(repository, "watch", Empty(), Engine)

    async def relocate_repository(self, wanted: UUID | str, root: str | os.PathLike[str]) -> Repository:
        repository = await self._ledger.repository(wanted)
        moved = await self.client.relocate_repository(repository.name, stored_root(root))
        return replace(repository, root=moved.root, root_file_system=None, root_inode=None)

    @asynccontextmanager
    async def seeding(self, repository: Repository, algorithm: str) -> AsyncIterator[EngineSeeder]:
        yield EngineSeeder(self, repository, algorithm)

    async def done(
        self,
        repository: Repository,
        what: str,
        body: Form,
        kind: type[T],
        told: Told | None = None,
    ) -> T:
        """What came of some work, once it is done; it ends if this is cancelled."""
        async with self.client.transport.stream("POST", _path(repository, what), body=body) as events:
            async for one in events:
                if one.name == "progress" and told is not None:
                    counted = self.client.transport.decoded(one.data, Counted)
                    told(SoFar(Counts(**counted.fields())))
                elif one.name == "done":
                    return self.client.transport.decoded(one.data, kind)
        raise EngineAway("the engine was stopped before it was done. What it did until then is on record")


@dataclass(frozen=True, slots=True)
class EngineSeeder:
    """As `treeledger.engine.seeding.Seeder`, for one repository and algorithm."""

    worker: EngineWorker
    repository: Repository
    algorithm: str

    async def seed(self, hashes: Mapping[str, str]) -> Seeded:
        total = Seeded()
        for some in _portions(hashes):
            asked = HashesAsked(algorithm=self.algorithm, hashes=some)
            done = await self.worker.done(self.repository, "hashes", asked, HashesTaken)
            total.seeded += done.seeded
            total.known += done.known
            total.unknown += done.unknown
            total.differing += [Differing(one.path, one.listed, one.recorded) for one in done.differing]
        return total


def _portions(hashes: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """As many at once as an engine takes."""
    portion: dict[str, str] = {}
    size = 0
    for path, digest in hashes.items():
        more = len(msgspec.json.encode(path)) + len(digest)
        if portion and (len(portion) == _MOST or size + more > _MOST_BYTES):
            yield portion
            portion, size = {}, 0
        portion[path] = digest
        size += more
    if portion:
        yield portion


def _path(repository: Repository, what: str) -> str:
    return f"/api/repositories/{part(repository.name)}/{what}"


def operation_from(form: wire.Operation, repository_id: UUID) -> SyncOperation:
    """The operation that its JSON tells of."""
    return SyncOperation(
        id=form.id,
        repository_id=repository_id,
        type=OperationType(form.type),
        status=OperationStatus(form.status),
        scope=form.scope,
        generation=form.generation,
        counts=counts_from(form),
        start_time=form.started,
        end_time=form.ended,
        duration_ms=form.duration_ms,
        error_message=form.error,
    )


def record_from(form: wire.Record, repository_id: UUID) -> FileRecord:
    """The record that its JSON tells of, as far as it does: of its stat, size and modification time."""
    return FileRecord(
        id=form.id,
        repository_id=repository_id,
        path=form.path,
        stat=FileStat(form.size, form.mtime_ns, 0, 0, 0, 0),
        state=RecordState(form.state),
        hash_state=HashState(form.hash_state),
        hash_algorithm=form.hash_algorithm,
        content_hash=form.hash,
        last_scanned=form.last_scanned,
        created_at=form.created_at,
        updated_at=form.updated_at,
    )
