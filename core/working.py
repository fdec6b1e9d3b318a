"""Who does what needs the engine lock: a ledger by itself, or the engine that has it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

import anyio

from treeledger.model import Counts, Holder, Repository, SyncOperation

if TYPE_CHECKING:
    from treeledger.engine.scrub import ScrubRequest
    from treeledger.engine.scrubbing import Judged, Scrubbed
    from treeledger.engine.seeding import Seeded
    from treeledger.ledger import Ledger
    from treeledger.protocols import Store

_LISTENING: Final = ("daemon", "tui", "watch")  # the commands whose engines listen
_YOUNG: Final = 5.0  # seconds that an engine has to say where it does
_AGAIN: Final = 0.1  # seconds


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


async def listening_engine(store: Store, host: str) -> Holder | None:
    """Who has a ledger on this host and listens, None if nobody does; one that just began has time to."""
    with anyio.move_on_after(_YOUNG):
        while True:
            holder = await store.engine_holder(host)
            if holder is None or holder.address:
                return holder
            if holder.command not in _LISTENING or datetime.now(UTC) - holder.since > timedelta(
                seconds=_YOUNG
            ):
                return None
            await anyio.sleep(_AGAIN)
    return None


@asynccontextmanager
async def worker_for(ledger: Ledger) -> AsyncIterator[Worker]:
    """The engine that runs on the ledger, if it answers, else the ledger itself."""
    holder = await listening_engine(ledger.store, ledger.host)
    if holder is None:
        yield ledger
        return
    from treeledger.client import Client
    from treeledger.engine_worker import EngineWorker

    async with Client.to_engine_of(holder) as client:
        yield ledger if client is None else EngineWorker(client, ledger)
