"""A ledger in hand: the API that the command line, and programs that embed treeledger, work with.

    async with Ledger.open(store="sqlite:/var/lib/photos.db") as ledger:
        repository = await ledger.add_repository("/data/photos")
        async with ledger.started():
            await ledger.trigger_reconciliation(repository.id)
            status = await ledger.sync_status(repository.id)

Reading works whoever holds the engine lock; `started` and `scan` take it. While `started` runs, what
is asked for here is done by that engine, beside watching.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final, Self
from uuid import UUID

import anyio
import anyio.to_thread

from treeledger.config.configuration import Configuration
from treeledger.engine.engine import Engine
from treeledger.engine.foresee import Foreseen, foresee
from treeledger.engine.hub import Hub
from treeledger.engine.patience import patiently
from treeledger.engine.reconcile import operation, scan_once
from treeledger.engine.relocate import relocate
from treeledger.engine.roster import Roster
from treeledger.engine.scan import Told
from treeledger.engine.scans import ScanRequest
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Judged, Scrubbed, accept_once, scrub_once
from treeledger.engine.seeding import Seeder, seeded_in, seeding
from treeledger.engine.session import Session, Tools, open_session
from treeledger.engine.workers import Workers
from treeledger.errors import StoreUnavailable, TreeledgerError, UsageError
from treeledger.model import OperationType, Repository, SyncOperation
from treeledger.plugin_check import check_all
from treeledger.plugin_manager import PluginManager
from treeledger.protocols import Store
from treeledger.repositories import stored_root
from treeledger.unlocked import UnlockedLedger

_ONE_SHOT_PATIENCE: Final = 20.0  # seconds that a single scan waits for a store that is away


class Ledger(UnlockedLedger):
    """One store, its repositories and the plugins to work on them. Open it with `Ledger.open`."""

    def __init__(self, configuration: Configuration, plugins: PluginManager, store: Store) -> None:
        super().__init__(configuration, plugins, store)
        self.hub = Hub()
        self._processes = False
        self._only: set[UUID] | None = None  # whom a running engine keeps, if not all
        self._roster: Roster | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        store: str | None = None,
        config: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] = os.environ,
        patience: float = 0.0,
        processes: bool = False,
    ) -> AsyncIterator[Self]:
        """As `UnlockedLedger.open`. With `processes` much work is given to spawned processes; the program's
        main module then must be importable without running it (`if __name__ == "__main__":`).
        """
        opening = super().open(store=store, config=config, environ=environ, patience=patience)
        async with opening as ledger:
            ledger._processes = processes
            yield ledger

    def check(self) -> None:
        """Loads every plugin and asks it for its parts.

        Raises PluginError, ConfigurationError, also for a table or a part that no plugin knows: what
        was configured must not be left out in silence.
        """
        check_all(self.configuration, self.plugins)

    @asynccontextmanager
    async def started(
        self, only: Sequence[UUID] | None = None, *, command: str = "embedded", root_check: float = 30.0
    ) -> AsyncIterator[Engine]:
        """Runs the engine: watches every repository of this host, or only some, and runs the actions.

        Raises EngineLocked, with the holder, if another process has this ledger, and as `check` does.
        """
        self.check()
        wanted = self._only = None if only is None else set(only)
        async with self._tools(command) as tools:
            await self.sync_declared()
            recorded = self.plugins.recorded if self.plugins.listens else None
            sources, actions = self.plugins.event_sources(), self.plugins.actions()
            engine = Engine(tools, sources, actions, recorded, root_check=root_check)
            async with engine.running():
                self._engine = engine
                try:
                    known = await self.repositories()
                    for repository in known:
                        if self._is_kept(repository, wanted):
                            engine.keep(repository, self.settings_of(repository))
                    is_wanted = partial(self._is_wanted, only=wanted)
                    self._roster = Roster(engine, known, is_wanted, self.settings_of)
                    engine.start(self._roster.follow)
                    yield engine
                finally:
                    self._engine = self._roster = None

    async def reconfigure(self, configuration: Configuration) -> None:
        """Goes by another configuration from now on, as far as it is about repositories: those it declares,
        and their settings. A running engine leaves and keeps again only those whose settings differ.

        Plugins, the store and the host stay as they are. Raises ConfigurationError and PluginError as
        `check` does, UsageError and StoreError if its repositories are refused; then all is as before.
        """
        candidate = Ledger(configuration, PluginManager(configuration), self.store)
        await anyio.to_thread.run_sync(candidate.check)
        before, self.configuration = self.configuration, configuration
        try:
            await self.sync_declared()
        except TreeledgerError:
            self.configuration = before
            with suppress(StoreUnavailable):  # then nothing was changed
                await self.sync_declared()
            raise
        if self._roster is not None:
            await self._roster.reread()

    async def _follow(self) -> None:
        if self._roster is not None:
            await self._roster.look()

    def keep(self, repository: Repository) -> None:
        """Has the running engine keep a repository, too, if it keeps only some. Raises ConfigurationError."""
        assert self._engine is not None, "there is no engine"
        if self._only is not None:
            self._only.add(repository.id)
        self._engine.keep(self._own(repository), self.settings_of(repository))

    def _is_kept(self, repository: Repository, only: Collection[UUID] | None) -> bool:
        """Whether an engine keeps it from the start: one that was asked for by name even if it is paused."""
        return self._is_wanted(repository, only) and (only is not None or not repository.paused)

    def _is_wanted(self, repository: Repository, only: Collection[UUID] | None) -> bool:
        return repository.host == self.host and (only is None or repository.id in only)

    @asynccontextmanager
    async def _tools(self, command: str) -> AsyncIterator[Tools]:
        lock = partial(self.store.lock_engine, self.host, command)
        owner = await patiently(lock, max(self._patience, _ONE_SHOT_PATIENCE))
        try:
            workers, own = Workers(processes=self._processes), self.configuration.own_paths()
            yield Tools(self.store, self.plugins, self.hub, workers, owner, own)
        finally:
            # If the store is away, the lock ends by itself.
            with anyio.move_on_after(1, shield=True), suppress(StoreUnavailable):
                await self.store.unlock_engine(owner)

    async def trigger_reconciliation(
        self, wanted: UUID | str, *, prefixes: Sequence[str] = ("",), rehash: bool = False
    ) -> SyncOperation:
        """Scans a repository now and returns the operation.

        Through the engine that runs in this process, else by a scan of its own (`scan`).
        """
        repository = await self.repository(wanted)
        is_kept = self._engine is not None and repository.id in self._engine.keepers
        return await self.scan(repository, prefixes, rehash=rehash, wait=not is_kept)

    async def scan(
        self,
        repository: Repository,
        prefixes: Sequence[str] = ("",),
        *,
        rehash: bool = False,
        wait: bool = True,
        told: Told | None = None,
        command: str = "scan",
    ) -> SyncOperation:
        """One scan, until everything is listed, settled and, with `wait`, hashed.

        Raises EngineLocked, RootOffline, and as `check` does.
        """
        if self._engine is not None and repository.id in self._engine.keepers:
            request = ScanRequest(prefixes, OperationType.MANUAL, rehash, wait, told)
            await self._engine.scan(repository.id, request)
            assert request.operation is not None
            return await self.operation(repository, request.operation.id)
        async with self._in_hand(repository, command) as session:
            return await scan_once(session, prefixes, rehash=rehash, wait=wait, told=told)

    async def operation(self, repository: Repository, id: int) -> SyncOperation:
        """One of a repository's operations, however many began since."""
        [found] = await self.store.operations(repository.id, limit=1, before=id + 1)
        return found

    async def scrub(
        self,
        repository: Repository,
        request: ScrubRequest = ScrubRequest(),  # noqa: B008 - it is frozen
        *,
        told: Told | None = None,
        command: str = "scrub",
    ) -> Scrubbed:
        """Reads contents again, oldest-verified first, and finds what changed though no stat tells of it.

        Raises EngineLocked, RootOffline, and as `check` does.
        """
        async with self._in_hand(repository, command) as session:
            return await scrub_once(session, request, told=told)

    async def accept(self, repository: Repository, paths: Sequence[str]) -> list[Judged]:
        """A person's word that what corrupted files (stored form) hold now is right; in the given order.

        Raises UsageError, having changed nothing, if one of them is not corrupted; EngineLocked, RootOffline.
        """
        async with self._in_hand(repository, "scrub --accept") as session:
            return await accept_once(session, paths)

    @asynccontextmanager
    async def _in_hand(self, repository: Repository, command: str) -> AsyncIterator[Session]:
        """A repository of this host, for one command; the running engine's own session, if there is one."""
        settings = self.settings_of(self._own(repository))
        if self._engine is not None:
            async with self._engine.in_hand(repository, settings, _ONE_SHOT_PATIENCE) as session:
                yield session
            return
        self.check()
        async with (
            self._tools(command) as tools,
            open_session(tools, repository, settings, one_shot=True, patience=_ONE_SHOT_PATIENCE) as session,
        ):
            yield session

    async def settle_deletions(self, repository: Repository) -> int:
        """Carries out what was decided about held deletions; returns how many records ended.

        Raises EngineLocked while another process' engine runs, which does it by itself.
        """
        async with (
            self._in_hand(repository, "deletions") as session,
            operation(session, OperationType.MANUAL) as run,
        ):
            await session.deletions.settle(run)
            return run.counts.files_removed

    async def relocate_repository(self, wanted: UUID | str, root: str | os.PathLike[str]) -> Repository:
        """Says that a repository's files are in another directory now; ids and hashes of equal paths,
        sizes and modification times are kept, the rest the next scan finds out.

        Raises UsageError if none of a sample of its files is there, EngineLocked.
        """
        repository = self._own(await self.repository(wanted))
        moved = replace(repository, root=stored_root(root), root_file_system=None, root_inode=None)
        if self._engine is not None:
            await self._engine.relocate(repository, moved, self.settings_of(repository))
            return moved
        self.plugins.load()
        async with self._tools("repo relocate") as tools:
            await relocate(tools, repository, moved, self.settings_of(repository))
        return moved

    @asynccontextmanager
    async def seeding(self, repository: Repository, algorithm: str) -> AsyncIterator[Seeder]:
        """For hashes from elsewhere: `seed` takes them by path, and they are verified later.

        Raises UsageError if another hash names the repository's content, EngineLocked.
        """
        names = self.settings_of(repository).reconciliation.hashers
        if names[0] != algorithm:
            raise UsageError(
                f"{repository.name} knows content by {names[0]}; {algorithm} cannot stand for it"
            )
        if self._engine is not None:
            async with (
                self._in_hand(repository, "import") as session,
                seeded_in(session, algorithm) as seeder,
            ):
                yield seeder
            return
        async with self._tools("import") as tools, seeding(tools, repository, algorithm) as seeder:
            yield seeder

    async def foresee(self, repository: Repository, prefixes: Sequence[str] = ("",)) -> Foreseen:
        """What a scan would change; nothing is written, and no lock is needed. Raises RootOffline."""
        self._own(repository)
        self.plugins.load()
        own = self.configuration.own_paths()
        tools = Tools(self.store, self.plugins, self.hub, Workers(), "nobody", own)
        return await foresee(tools, repository, self.settings_of(repository), prefixes)
