"""Scans: at the start, when somebody asks, on schedule, after a loss; one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import anyio

from treeledger.engine.hearing import Hearing
from treeledger.engine.hub import Progress
from treeledger.engine.planner import Planner
from treeledger.engine.quick import RecentFolders, quick_scan
from treeledger.engine.reconcile import hashing, operation, reconcile
from treeledger.engine.run import Run
from treeledger.engine.scan import Told
from treeledger.engine.session import Session
from treeledger.model import OperationType, SyncOperation
from treeledger.scheduling import ScheduleKind

_SCANS: Final = (ScheduleKind.FULL, ScheduleKind.QUICK)  # a full one does what a quick one would
_CLOCK_CHECK: Final = 60.0  # seconds between looks at the wall clock, which may jump


@dataclass(slots=True)
class ScanRequest:
    """A scan that somebody asked for, and what came of it once `done` is set.

    With `wait` it ends when all is hashed, too. `told` is called now and then with the run so far. Who
    does not want it any more cancels `scope`.
    """

    prefixes: Sequence[str]
    type: OperationType
    rehash: bool = False
    wait: bool = False
    told: Told | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    operation: SyncOperation | None = None
    error: Exception | None = None

    def refuse(self, error: Exception) -> None:
        """Says why it was not done, or not to the end."""
        self.error = error
        self.done.set()


class Scans:
    """Runs the scans of one session. `changed` is called when one begins or ends, or much was lost."""

    def __init__(
        self,
        session: Session,
        hearing: Hearing,
        planner: Planner,
        requests: list[ScanRequest],
        changed: Callable[[], None],
    ) -> None:
        context = session.context
        self.is_complete = context.repository.clean  # nothing that a scan would find was left out
        self.is_scanning = context.settings.reconciliation.startup_scan or not self.is_complete
        self._session = session
        self._context = context
        self._hearing = hearing
        self._planner = planner
        self._recent = RecentFolders(session.context)
        self._requests = requests
        self._changed = changed
        self._wake = anyio.Event()
        hearing.subtrees.on_whole = self._lost_much

    def wake(self) -> None:
        """Says that there is a new request, or that the whole tree is dirty."""
        self._wake.set()

    def _lost_much(self) -> None:
        self._changed()  # said even where the scan that makes it good begins at once
        self.wake()

    async def serve(self) -> None:
        with self._planner.listening():
            await self._planner.look()
            if self.is_scanning:
                await self._scan(OperationType.STARTUP, ("",))
            while True:
                while self._requests:
                    await self._answer(self._requests.pop(0))
                if self._hearing.subtrees.whole_is_dirty:
                    await self._scan(OperationType.REALTIME, ("",))
                    continue
                match await self._due():
                    case ScheduleKind.FULL:
                        await self._scan(OperationType.RECONCILIATION, ("",))
                    case ScheduleKind.QUICK:
                        await self._scan_quickly()

    async def _due(self) -> ScheduleKind | None:
        """Waits, by the wall clock, until a scan is due; None if something else is to be done before."""
        while True:
            upcoming, now = await self._planner.look(), self._planner.now()
            waits = {kind: (upcoming[kind] - now).total_seconds() for kind in _SCANS if kind in upcoming}
            for kind, seconds in waits.items():
                if seconds <= 0:
                    return kind
            with anyio.move_on_after(min([*waits.values(), _CLOCK_CHECK])):
                await self._wake.wait()
                self._wake = anyio.Event()
                return None

    async def _scan_quickly(self) -> None:
        async with self._planner.running(ScheduleKind.QUICK):
            folders = await self._recent.since(self._planner.last(ScheduleKind.FULL))
            if folders:
                self._hearing.look_again(await quick_scan(self._session, folders))

    async def _answer(self, request: ScanRequest) -> None:
        was_complete = self.is_complete
        try:
            with request.scope:
                request.operation = await self._scan(
                    request.type,
                    request.prefixes,
                    rehash=request.rehash,
                    wait=request.wait,
                    asker=request.told,
                )
        except Exception as error:
            request.refuse(error)
            raise
        except BaseException:  # the session ends: the next one does it, or says why not
            self._requests.insert(0, request)
            raise
        if request.scope.cancelled_caught:
            self.is_complete = was_complete  # what was asked for beyond that is not missed
        request.done.set()

    async def _scan(
        self,
        type: OperationType,
        prefixes: Sequence[str],
        *,
        rehash: bool = False,
        wait: bool = False,
        asker: Told | None = None,
    ) -> SyncOperation:
        context = self._context
        is_live = type is OperationType.REALTIME
        expected = (await context.current()).files

        def told(run: Run) -> None:
            seconds = anyio.current_time() - run.started
            context.hub.tell(Progress(context.repository, type, run.counts, expected, seconds))
            if asker is not None:
                asker(run)

        is_whole = "" in prefixes
        covering = self._covering_whole() if is_whole else nullcontext()
        self.is_complete = self.is_complete and not is_whole
        self._set_scanning(not is_live)
        try:
            async with operation(self._session, type, " ".join(prefixes)) as run:
                tell = None if is_live else told
                async with hashing(self._session, run, tell, wait=wait):
                    async with covering:
                        scanned = await reconcile(
                            self._session, run, prefixes, rehash=rehash, told=tell, settle=False
                        )
                    if scanned.root_is_empty or not is_live:
                        await self._session.deletions.settle(run, was_emptied=scanned.root_is_empty)
                begun = await run.begin()
        finally:
            self._set_scanning(False)
        self.is_complete = self.is_complete or is_whole
        self._hearing.look_again(scanned.overtaken)
        return begun

    @asynccontextmanager
    async def _covering_whole(self) -> AsyncIterator[None]:
        """Around a scan of the whole tree, which stands for one that was scheduled, whoever asked for it."""
        async with self._planner.running(ScheduleKind.FULL), self._hearing.subtrees.scanning_whole():
            yield
        await self._recent.restart()

    def _set_scanning(self, is_scanning: bool) -> None:
        self.is_scanning = is_scanning
        self._changed()
