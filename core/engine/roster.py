"""Which repositories an engine keeps: as the store lists them, whoever adds, pauses or removes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import anyio

from treeledger.config.settings import RepositorySettings
from treeledger.engine.engine import Engine
from treeledger.engine.hub import RepositoryState, StateChanged
from treeledger.engine.patience import patient, unsaid
from treeledger.errors import ConfigurationError
from treeledger.model import Repository
from treeledger.protocols import Store

_EVERY: Final = 2.0  # seconds between looks at what other processes did


@dataclass(frozen=True, slots=True)
class Steps:
    """What an engine has to do about a listing: first leave, then keep; the first two are told."""

    removed: tuple[Repository, ...] = ()
    paused: tuple[Repository, ...] = ()
    changed: tuple[Repository, ...] = ()  # to be left and kept again, if their settings are others
    kept: tuple[Repository, ...] = ()


def steps(before: Mapping[UUID, Repository], now: Sequence[Repository], *, all_differ: bool = False) -> Steps:
    """What happened between two listings. A repository that was paused from the start is no news.

    `all_differ`: the settings of each may be others, though the listings say nothing of it.
    """
    listed = {repository.id for repository in now}
    known = [(before[one.id], one) for one in now if one.id in before]
    return Steps(
        removed=tuple(one for id, one in before.items() if id not in listed),
        paused=tuple(one for old, one in known if one.paused and not old.paused),
        changed=tuple(
            one
            for old, one in known
            if not one.paused and not old.paused and (all_differ or _differ(old, one))
        ),
        kept=tuple(one for one in now if not one.paused and (one.id not in before or before[one.id].paused)),
    )


def _differ(old: Repository, new: Repository) -> bool:
    return (old.name, old.root, old.settings) != (new.name, new.root, new.settings)


class Roster:
    """Has an engine keep the repositories that are `wanted`, for as long as `follow` runs."""

    def __init__(
        self,
        engine: Engine,
        known: Sequence[Repository],
        wanted: Callable[[Repository], bool],
        settings_of: Callable[[Repository], RepositorySettings],
    ) -> None:
        """`known`: the listing by which the engine was started."""
        self._engine = engine
        self._known = {repository.id: repository for repository in known if wanted(repository)}
        self._wanted = wanted
        self._settings_of = settings_of
        self._looking = anyio.Lock()
        self._all_differ = False

    async def follow(self) -> None:
        """Does what each new listing asks for, until cancelled; patient while the store is away."""
        store = patient(self._engine.tools.store, None, unsaid())
        while True:
            await anyio.sleep(_EVERY)
            await self._look(store)

    async def look(self) -> None:
        """Does now what the listing asks for. Raises StoreUnavailable; then it is done a little later."""
        await self._look(self._engine.tools.store)

    async def reread(self) -> None:
        """As `look`, after the settings that hold for all have changed."""
        self._all_differ = True
        await self.look()

    async def _look(self, store: Store) -> None:
        async with self._looking:
            listed = [one for one in await store.repositories() if self._wanted(one)]
            all_differ, self._all_differ = self._all_differ, False
            await self._take(steps(self._known, listed, all_differ=all_differ))
            self._known = {repository.id: repository for repository in listed}

    async def _take(self, steps: Steps) -> None:
        for repository in steps.removed:
            await self._leave(repository, RepositoryState.STOPPED, "it was removed from the ledger")
        for repository in steps.paused:
            await self._leave(
                repository,
                RepositoryState.PAUSED,
                f"go on with: treeledger repo resume {repository.name}",
            )
        for repository in (*steps.changed, *steps.kept):
            await self._keep(repository)

    async def _leave(self, repository: Repository, state: RepositoryState, message: str) -> None:
        """Also told of one that was left before it was removed."""
        await self._engine.leave(repository.id)
        self._engine.tools.hub.tell(StateChanged(repository, state, message))

    async def _keep(self, repository: Repository) -> None:
        """Has it kept as it is listed; one that is kept so already is not touched."""
        try:
            settings = self._settings_of(repository)
        except ConfigurationError as error:
            message = f"its new settings cannot be used: {error}"
            self._engine.tools.hub.tell(StateChanged(repository, RepositoryState.DEGRADED, message))
            return
        keeper = self._engine.keepers.get(repository.id)
        if keeper is not None:
            was, now = keeper.repository, repository
            if (was.name, was.root, keeper.settings) == (now.name, now.root, settings):
                return
            await self._engine.leave(repository.id)
        self._engine.keep(repository, settings)
