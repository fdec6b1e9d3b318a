"""What one scrape of /metrics reads: of the engine at once, of the store within a few seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Final
from uuid import UUID

import anyio

from treeledger.api.service import Service
from treeledger.engine.hub import RepositoryState
from treeledger.engine.keeper import Keeper
from treeledger.engine.meter import Metered
from treeledger.errors import StoreError
from treeledger.model import Cursor, HeldDeletion, HoldStatus, Repository
from treeledger.protocols import JobCount, SourceHealth, Store, Tally
from treeledger.scheduling import Schedule
from treeledger.waiting import Waiting

_PATIENCE: Final = 3.0  # seconds for the store; Prometheus gives up on the whole page after ten


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store says. `latency`: seconds until it gave its first answer, a small one."""

    latency: float
    head: Cursor
    repositories: Sequence[Repository]
    holds: Sequence[HeldDeletion]
    tally: Tally
    jobs: Sequence[JobCount]
    schedules: Sequence[Schedule]
    waiting: Sequence[Waiting]


@dataclass(frozen=True, slots=True)
class Cared:
    """How one repository of this host is. `source`: None while none is armed."""

    name: str
    state: RepositoryState
    source: SourceHealth | None
    metered: Metered


@dataclass(frozen=True, slots=True)
class Readings:
    """One scrape. `stored` is None while the store is away: what is not of it is told nevertheless."""

    command: str
    store: str  # its kind
    started_at: datetime
    repositories: dict[UUID, Cared]
    stored: Stored | None
    readers: Mapping[str, int]  # of streams, by their names


async def read(service: Service) -> Readings:
    stored: Stored | None = None
    with anyio.move_on_after(_PATIENCE), suppress(StoreError):
        stored = await _stored(service.ledger.store)
    keepers = service.engine.keepers
    known = {id: keeper.repository for id, keeper in keepers.items()}
    if stored is not None:
        known = {one.id: one for one in stored.repositories if one.host == service.ledger.host}
    metered = service.engine.meter.metered
    return Readings(
        command=service.command,
        store=service.ledger.store.url.partition(":")[0],
        started_at=service.started_at,
        repositories={
            id: _cared(repository, keepers.get(id), metered.get(id) or Metered())
            for id, repository in known.items()
        },
        stored=stored,
        readers={"changes": service.tail.readers, "events": service.news.readers},
    )


async def _stored(store: Store) -> Stored:
    begin = perf_counter()
    head = await store.head()
    return Stored(
        latency=perf_counter() - begin,
        head=head,
        repositories=await store.repositories(),
        holds=await store.holds(None, statuses=(HoldStatus.OPEN,)),
        tally=await store.tally(),
        jobs=await store.count_jobs(),
        schedules=await store.schedules(None),
        waiting=await store.waiting(),
    )


def _cared(repository: Repository, keeper: Keeper | None, metered: Metered) -> Cared:
    if keeper is not None:
        return Cared(repository.name, keeper.state, keeper.source_health, metered)
    state = RepositoryState.PAUSED if repository.paused else RepositoryState.STOPPED
    return Cared(repository.name, state, None, metered)
