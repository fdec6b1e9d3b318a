"""The engine of a ledger on one host: the lock, the leases, a keeper for each repository, the actions."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from treeledger.config.settings import RepositorySettings
from treeledger.engine.actions import ActionRunner
from treeledger.engine.hub import Committed, Event, ManyCommitted, RepositoryState
from treeledger.engine.keeper import Keeper
from treeledger.engine.meter import Meter
from treeledger.engine.patience import patiently, unsaid
from treeledger.engine.relocate import relocate
from treeledger.engine.scan import Told
from treeledger.engine.scans import ScanRequest
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Judged, Scrubbed, accept_once, scrub_once
from treeledger.engine.session import LEASE_SECONDS, Session, Tools, open_session
from treeledger.errors import CursorExpired, EngineLocked, StoreError
from treeledger.model import JournalEntry, Lease, Repository
from treeledger.protocols import Action, EventSource, iterate_batches

log = logging.getLogger(__name__)
_RECORDED_WAITING: Final = 1000  # batches for the `recorded` hooks; beyond it the newest are dropped
_RECORDED_PAGE: Final = 2000  # entries

Recorded = Callable[[Repository, Sequence[JournalEntry]], None]


class Engine:
    """Keeps repositories. Enter it with `running`; add and remove repositories while it runs."""

    def __init__(
        self,
        tools: Tools,
        sources: Sequence[EventSource],
        actions: Sequence[Action] = (),
        recorded: Recorded | None = None,
        *,
        root_check: float = 30.0,
    ) -> None:
        self.tools = tools
        self.keepers: dict[UUID, Keeper] = {}
        self.heartbeat = time.monotonic()  # when the leases were last renewed, or that was tried
        self.meter = Meter()
        self._sources = sources
        self._actions = actions
        self._runners = [ActionRunner(tools.store, action, tools.owner) for action in actions]
        self._recorded = recorded
        self._root_check = root_check
        self._scopes: dict[UUID, anyio.CancelScope] = {}
        self._ended: dict[UUID, anyio.Event] = {}
        self._turns: defaultdict[UUID, anyio.Lock] = defaultdict(anyio.Lock)  # who has it has the lease
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Engine]:
        """Runs until the body ends; stops every keeper in order. The caller holds the engine lock.

        No keeper begins before every action has its place in the journal, so none misses what they find.
        """
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            unlisten = self.tools.hub.listen(self.meter.take)
            tasks.start_soon(self._heartbeat)
            if self._recorded is not None:
                tasks.start_soon(self._tell_recorded, self._recorded)
            try:
                for runner in self._runners:
                    await tasks.start(runner.run)
                yield self
            finally:
                self._tasks = None
                unlisten()
                tasks.cancel_scope.cancel()

    @property
    def actions(self) -> Sequence[Action]:
        """Those that run while the engine does."""
        return self._actions

    def wake_actions(self) -> None:
        """Has every action look for jobs at once: some are to be done that nobody announced to it."""
        for runner in self._runners:
            runner.wake()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs something beside the keepers, until the engine stops."""
        assert self._tasks is not None, "the engine is not running"
        self._tasks.start_soon(work)

    def keep(self, repository: Repository, settings: RepositorySettings) -> Keeper:
        """Starts to keep a repository; one that is kept already goes on as it is."""
        if repository.id in self.keepers:
            return self.keepers[repository.id]
        assert self._tasks is not None, "the engine is not running"
        keeper = Keeper(self.tools, repository, settings, self._sources, root_check=self._root_check)
        self.keepers[repository.id] = keeper
        self._scopes[repository.id] = anyio.CancelScope()
        self._ended[repository.id] = anyio.Event()
        self._tasks.start_soon(self._run, keeper)
        return keeper

    async def leave(self, repository_id: UUID) -> None:
        """Stops keeping a repository, in order."""
        scope = self._scopes.get(repository_id)
        if scope is not None:
            scope.cancel()
            await self._ended[repository_id].wait()

    async def _run(self, keeper: Keeper) -> None:
        id = keeper.repository.id
        try:
            with self._scopes[id]:
                async with self._turns[id]:
                    await keeper.run()
        finally:
            keeper.state = RepositoryState.STOPPED
            self.keepers.pop(id, None)
            self._scopes.pop(id, None)
            self._ended.pop(id).set()

    async def scan(self, repository_id: UUID, request: ScanRequest) -> None:
        """Has a kept repository scanned and waits for the end. Raises what the scan raised.

        Whoever stops waiting takes the request back, and a scan that has begun stops.
        """
        keeper = self.keepers[repository_id]
        keeper.request(request)
        try:
            await request.done.wait()
        finally:
            keeper.withdraw(request)
        if request.error is not None:
            raise request.error

    async def scrub(
        self, repository_id: UUID, request: ScrubRequest, *, told: Told | None = None
    ) -> Scrubbed:
        """Has a kept repository scrubbed beside watching. Raises RootOffline, LeaseLost."""
        async with self.keepers[repository_id].loans.borrow() as session:
            return await scrub_once(session, request, told=told)

    async def accept(self, repository_id: UUID, paths: Sequence[str]) -> list[Judged]:
        """As `accept_once`, beside watching. Raises UsageError, RootOffline, LeaseLost."""
        async with self.keepers[repository_id].loans.borrow() as session:
            return await accept_once(session, paths)

    @asynccontextmanager
    async def in_hand(
        self, repository: Repository, settings: RepositorySettings, patience: float
    ) -> AsyncIterator[Session]:
        """A session of a repository for some work: its keeper's if it is kept, else one of its own.

        A keeper that is to begin meanwhile waits for the end. Raises RootOffline, LeaseLost.
        """
        keeper = self.keepers.get(repository.id)
        if keeper is not None:
            async with keeper.loans.borrow() as session:
                yield session
            return
        async with (
            self._turns[repository.id],
            open_session(self.tools, repository, settings, one_shot=True, patience=patience) as session,
        ):
            yield session

    async def relocate(self, old: Repository, new: Repository, settings: RepositorySettings) -> None:
        """Says that the files are elsewhere now; who kept the repository goes on there. Raises UsageError."""
        was_kept = old.id in self.keepers
        await self.leave(old.id)
        is_there = old
        try:
            async with self._turns[old.id]:
                await relocate(self.tools, old, new, settings)
            is_there = new
        finally:
            if was_kept:
                self.keep(is_there, settings)

    async def _heartbeat(self) -> None:
        """Renews the leases at a third of their time; a keeper that lost its own stops."""
        while True:
            await anyio.sleep(LEASE_SECONDS / 3)
            try:
                lost = await patiently(self._renew, None, unsaid())
            except EngineLocked:
                lost = self._leases()  # a keeper that tries to claim again says who has the lock
            except StoreError as error:
                log.warning("the leases could not be renewed: %s", error)
                continue
            for id in {lease.repository_id for lease in lost} & self.keepers.keys():
                self.keepers[id].lose()

    async def _renew(self) -> list[Lease]:
        self.heartbeat = time.monotonic()
        return await self.tools.store.renew(self._leases(), self.tools.owner, LEASE_SECONDS)

    def _leases(self) -> list[Lease]:
        holders = [keeper.lease_holder for keeper in self.keepers.values()]
        return [holder.context.lease for holder in holders if holder is not None]

    async def _tell_recorded(self, recorded: Recorded) -> None:
        """Passes committed batches to the `recorded` hooks in a worker thread; best effort."""
        send, receive = anyio.create_memory_object_stream[Committed | ManyCommitted](_RECORDED_WAITING)

        def listen(event: Event) -> None:
            if isinstance(event, Committed | ManyCommitted):
                try:
                    send.send_nowait(event)
                except anyio.WouldBlock:
                    log.warning("a plugin's recorded() is too slow; a batch is not passed on")

        stop = self.tools.hub.listen(listen)
        try:
            with send, receive:
                async for batch in receive:
                    async for entries in self._entries(batch):
                        await _call_recorded(recorded, batch.repository, entries)
        finally:
            stop()

    async def _entries(self, batch: Committed | ManyCommitted) -> AsyncIterator[Sequence[JournalEntry]]:
        if isinstance(batch, Committed):
            yield batch.entries
            return
        for part in iterate_batches(batch.numbers, _RECORDED_PAGE):
            read = partial(self.tools.store.changes, part[0] - 1, limit=len(part))
            try:
                yield await patiently(read, None, unsaid())
            except CursorExpired as error:
                log.warning("a batch is not passed on to a plugin's recorded(): %s", error)


async def _call_recorded(recorded: Recorded, repository: Repository, entries: Sequence[JournalEntry]) -> None:
    try:
        await anyio.to_thread.run_sync(recorded, repository, entries, abandon_on_cancel=True)
    except Exception:
        log.exception("a plugin's recorded() failed")
