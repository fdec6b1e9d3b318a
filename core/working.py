"""Who does what needs the engine lock: a ledger by itself, or the engine that has it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from treeledger.model import Counts, Repository, SyncOperation

if TYPE_CHECKING:
    from treeledger.engine.scrub import ScrubRequest
    from treeledger.engine.scrubbing import Judged, Scrubbed
    from treeledger.engine.seeding import Seeded
    from treeledger.ledger import Ledger


class Counting(Protocol):
    """A run, here or elsewhere, as far as it is."""

    @property
    def counts(self) -> Counts: ...


Told = Callable[[Counting], None]


class Seeds(Protocol):
    async def seed(self, hashes: Mapping[str, str]) -> Seeded: ...


class Worker(Protocol):
    """What `treeledger.ledger.Ledger` does under the lock; see there."""

    async def scan(
        self,
        repository: Repository,
        prefixes: Sequence[str] = ("",),
        *,
        rehash: bool = False,
        wait: bool = True,
        told: Told | None = None,
    ) -> SyncOperation: ...

    async def scrub(
        self, repository: Repository, request: ScrubRequest = ..., *, told: Told | None = None
    ) -> Scrubbed: ...

    async def accept(self, repository: Repository, paths: Sequence[str]) -> list[Judged]: ...

    async def settle_deletions(self, repository: Repository) -> int: ...

    async def relocate_repository(self, wanted: UUID | str, root: str | os.PathLike[str]) -> Repository: ...

    def seeding(self, repository: Repository, algorithm: str) -> AbstractAsyncContextManager[Seeds]: ...


@asynccontextmanager
async def worker_for(ledger: Ledger) -> AsyncIterator[Worker]:
    """The engine that runs on the ledger, if it answers, else the ledger itself."""
    holder = await ledger.store.engine_holder(ledger.host)
    if holder is None or not holder.address:
        yield ledger
        return
    from treeledger.client import Client
    from treeledger.engine_worker import EngineWorker

    async with Client.to_engine_of(ledger.store, ledger.host) as client:
        yield ledger if client is None else EngineWorker(client, ledger)
