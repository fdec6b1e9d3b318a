"""What goes on while a repository is watched: one task for each concern, all over one session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio

from treeledger.engine.burst import Burst
from treeledger.engine.chores import Chores
from treeledger.engine.hearing import Hearing
from treeledger.engine.hub import HealthChanged, RepositoryState
from treeledger.engine.planner import Planner
from treeledger.engine.scans import ScanRequest, Scans
from treeledger.engine.scrubs import Scrubs
from treeledger.engine.session import Session, with_barred
from treeledger.engine.subtrees import UNWATCHED_EVERY
from treeledger.errors import PluginError
from treeledger.fs.mounts import mount_changes
from treeledger.model import HoldStatus
from treeledger.protocols import EventSource, SourceHealth, Watch
from treeledger.scheduling import ScheduleKind
from treeledger.units import show_duration, show_number

_TICK: Final = 2.0  # seconds between looks at what other processes asked for
_BETTER_EVERY: Final = 60.0  # seconds between tries to arm the source that could not be


class MountsChanged(Exception):
    """Mounts that are entered came or went: file systems and watches are other ones now."""


Say = Callable[[RepositoryState, str], None]


class NoSource(OSError):
    """No event source could be armed now; one may be later."""


class SourceReturned(OSError):
    """The event source that should listen can do so again."""


class Watching:
    """One session under watch. `run` ends only by an error or by cancellation."""

    def __init__(
        self,
        session: Session,
        sources: Sequence[EventSource],
        requests: list[ScanRequest],
        say: Say,
        root_check: float,
    ) -> None:
        """`root_check`: seconds between looks at the root; it is looked at when a mount changes, too."""
        self.session = session
        self._context = session.context
        self._sources = sources
        self._requests = requests
        self._say = say
        self._root_check = root_check
        self._scans: Scans | None = None
        self._planner = Planner(session.context)
        self._failure: Exception | None = None
        self._failed = anyio.Event()
        self._is_held = False
        self._better: EventSource | None = None
        self._instead = ""  # why another source listens than the one that should

    @property
    def source_health(self) -> SourceHealth | None:
        """None while no source is armed."""
        return None if self._scans is None else self._watch.health()

    def wake_scans(self) -> None:
        """Says that there is a new request for a scan."""
        if self._scans is not None:
            self._scans.wake()

    def fail(self, error: Exception) -> None:
        """Ends the watching with an error."""
        self._failure = error
        self._failed.set()

    async def run(self) -> None:
        """Watches first, then scans, and goes on."""
        async with self._armed() as (source, watch):
            self._source, self._watch = source, watch
            debounce = self._context.settings.file_watcher.debounce
            burst = Burst(self._context)
            hearing = Hearing(self.session, watch, burst, source.debounce if debounce is None else debounce)
            self._subtrees = hearing.subtrees
            scans = Scans(self.session, hearing, self._planner, self._requests, self._say_state)
            self._scans = scans
            scrubs = Scrubs(self.session, self._planner, lambda: scans.is_scanning)
            self.session.deletions.is_busy = hearing.is_busy
            chores = Chores(self.session, burst, self.session.hashes(hearing.settle.hashed))
            try:
                async with anyio.create_task_group() as tasks:
                    for task in (
                        hearing.listen,
                        hearing.serve,
                        hearing.subtrees.serve,
                        hearing.subtrees.serve_unwatched,
                        burst.serve,
                        scans.serve,
                        scrubs.serve,
                    ):
                        tasks.start_soon(task)
                    for chore in (
                        chores.hash,
                        chores.settle_deletions,
                        chores.verify,
                        chores.look_beside,
                        chores.purge,
                    ):
                        tasks.start_soon(chore)
                    tasks.start_soon(self._tick, hearing)
                    tasks.start_soon(self._wait_for_better)
                    tasks.start_soon(self._wait_for_failure)
            finally:
                with self._context.farewell.step():
                    await burst.end()
                    await hearing.leave()
                    self.session.is_settled = scans.is_complete and not hearing.is_interrupted

    @asynccontextmanager
    async def _armed(self) -> AsyncIterator[tuple[EventSource, Watch]]:
        """The first source that suits the root and can be armed.

        Raises NoSource if there may be one later, PluginError if not.
        """
        root, filters = self._context.root, self._context.spec.filters
        wanted = self._context.settings.file_watcher.source
        reasons: list[str] = []
        async with AsyncExitStack() as stack:
            for source in self._sources:
                if wanted not in ("auto", source.name):
                    continue
                reason = source.suits(root.path, root.type) if wanted == "auto" else None
                if reason is None:
                    try:
                        watch = await stack.enter_async_context(source.watch(root.path, filters))
                    except OSError as error:
                        reason = str(error)
                        self._better = self._better or source
                    else:
                        self._instead = "; ".join(reasons) if self._better else ""
                        yield source, watch
                        return
                reasons.append(f"{source.name}: {reason}")
        why = "; ".join(reasons) or f"{wanted!r} is not loaded"
        message = f"no event source for {self._context.repository.name}: {why}"
        raise PluginError(message) if self._better is None else NoSource(message)

    async def _wait_for_better(self) -> None:
        """Tries to arm the source that could not be. Raises SourceReturned once it can."""
        root, filters, better = self._context.root.path, self._context.spec.filters, self._better
        while better is not None:
            await anyio.sleep(_BETTER_EVERY)
            try:
                async with better.watch(root, filters):
                    raise SourceReturned(f"{better.name} can listen again")
            except SourceReturned:
                raise
            except OSError as error:
                self._instead = f"{better.name}: {error}"

    async def _wait_for_failure(self) -> None:
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    async def _tick(self, hearing: Hearing) -> None:
        """Looks at what other processes asked for, at the root, and tells the store how things are."""
        store, repository = self._context.store, self._context.repository
        told: dict[str, Any] = {}
        root_due = anyio.current_time()
        with mount_changes() as have_mounts_changed:
            while True:
                now = anyio.current_time()
                await hearing.subtrees.load_marks()
                await self._look_at_holds()
                if have_mounts_changed() or now >= root_due:
                    await self._look_at_root(hearing)
                    root_due = now + self._root_check
                health = self._watch.health()
                self._say(*self._state(health))
                news = self._news(health)
                if news != told:
                    await store.update_repository(repository.id, health=news, lease=self._context.lease)
                    self._context.hub.tell(HealthChanged(repository, news))
                    told = news
                await anyio.sleep(min(_TICK, self._root_check))

    async def _look_at_root(self, hearing: Hearing) -> None:
        """Raises RootOffline, and MountsChanged where mounts are entered; else bars the mounts of now."""
        context = self._context
        await context.root.check()
        root = await context.root.new_mounts()
        if root is None:
            return
        if context.settings.cross_mounts:
            raise MountsChanged(f"{context.repository.name}: other mounts are below {root.shown_as} now")
        hearing.subtrees.mark(context.root.relative(set(context.root.mounts) ^ set(root.mounts)))
        context.root, context.spec = root, with_barred(context.spec, root.barred)

    async def _look_at_holds(self) -> None:
        statuses = (HoldStatus.OPEN, HoldStatus.APPROVED)
        holds = await self._context.store.holds(self._context.repository.id, statuses=statuses)
        self._is_held = any(hold.status is HoldStatus.OPEN for hold in holds)
        if holds:
            self._context.recorder.lost.set()

    def _state(self, health: SourceHealth) -> tuple[RepositoryState, str]:
        if self._scans is not None and self._scans.is_scanning:
            return RepositoryState.SCANNING, ""
        if self._is_held:
            return RepositoryState.HELD, "deletions wait for your decision: treeledger deletions list"
        if trouble := self._trouble(health):
            return RepositoryState.DEGRADED, trouble
        return RepositoryState.WATCHING, _heard(self._source, health)

    def _trouble(self, health: SourceHealth) -> str:
        """What is not heard at the moment, and what is done instead; "" if all is."""
        troubles = []
        if self._instead:
            troubles.append(f"{self._instead}; meanwhile it goes by {self._source.name}")
        if health.degraded is not None:
            troubles.append(f"{health.degraded}; they are scanned every {show_duration(UNWATCHED_EVERY)}")
        if self._subtrees.lost is not None:
            troubles.append(self._subtrees.lost)
        return "; ".join(troubles)

    def _say_state(self) -> None:
        self._say(*self._state(self._watch.health()))

    def _news(self, health: SourceHealth) -> dict[str, Any]:
        state, message = self._state(health)
        upcoming = self._planner.upcoming.get(ScheduleKind.FULL)
        return {
            "owner": self._context.lease.owner,
            "state": state.value,
            "message": message,
            "source": self._source.name,
            "watches": health.watches,
            "watches_needed": health.needed,
            "watch_limit": health.limit,
            "last_event": health.last_event.isoformat() if health.last_event else None,
            "next_reconciliation": upcoming.isoformat() if upcoming else None,
        }


def _heard(source: EventSource, health: SourceHealth) -> str:
    return show_number(health.watches, "folder") if health.watches else f"by {source.name}"
