"""What goes on while a repository is watched: one task for each concern, all over one session."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio

from treeledger.dirty import collapse
from treeledger.engine.hub import Finished, Progress, RepositoryState
from treeledger.engine.patience import patiently
from treeledger.engine.reconcile import operation, reconcile
from treeledger.engine.run import Run
from treeledger.engine.schedule import next_reconciliation
from treeledger.engine.session import Session
from treeledger.errors import PluginError
from treeledger.ignoring import is_ignore_file
from treeledger.model import DirtyPath, HoldStatus, Observation, OperationType
from treeledger.names import parent
from treeledger.protocols import EventSource, SourceHealth, Watch
from treeledger.settle import Settle
from treeledger.units import show_count

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from treeledger.engine.keeper import ScanRequest

_QUIET: Final = 1.0  # seconds without events that end a burst, and its operation
_TICK: Final = 2.0  # seconds between looks at what other processes asked for
_ROOT_EVERY: Final = 30.0
_UNWATCHED_EVERY: Final = 60.0
_BURST: Final = 2000  # paths in one inspection
_MOST_DIRTY: Final = 1000
_VERIFY_REST: Final = 60.0  # seconds
_VERIFY_SHARE: Final = 20
_PURGE_EVERY: Final = 3600.0  # seconds
_PURGED: Final = 1000  # records in one transaction

Say = Callable[[RepositoryState, str], None]


class SourceDied(OSError):
    """The event source ended; what it may have missed is scanned when it is armed again."""


class Watching:
    """One session under watch. `run` returns only by an error or by cancellation."""

    def __init__(
        self, session: Session, sources: Sequence[EventSource], requests: list[ScanRequest], say: Say
    ) -> None:
        self.session = session
        self._context = session.context
        self._sources = sources
        self._requests = requests
        self._say = say
        self._failure: Exception | None = None
        self._failed = anyio.Event()
        self._wake = anyio.Event()
        self._scan_wake = anyio.Event()
        self._dirty_wake = anyio.Event()
        self._dirty: dict[str, DirtyPath | None] = {}
        self._burst: Run | None = None
        self._scanning = False
        self._held = False
        self._last_scan: datetime | None = None
        self._next_scan: datetime | None = None

    # --- from outside ----------------------------------------------------------------------------

    def wake_scans(self) -> None:
        self._scan_wake.set()

    def fail(self, error: Exception) -> None:
        """Ends the watching with an error."""
        self._failure = error
        self._failed.set()

    async def run(self) -> None:
        async with self._armed() as (source, watch):
            debounce = self._context.settings.file_watcher.debounce
            self._settle = Settle(source.debounce if debounce is None else debounce)
            self._source, self._watch = source, watch
            self._hashes = self.session.hashes(self._settle.hashed)
            try:
                async with anyio.create_task_group() as tasks:
                    for task in (
                        self._listen,
                        self._settle_loop,
                        self._dirty_loop,
                        self._scan_loop,
                        self._hash_loop,
                        self._deletion_loop,
                        self._verify_loop,
                        self._purge_loop,
                        self._tick_loop,
                        self._fail_loop,
                    ):
                        tasks.start_soon(task)
            finally:
                await self._leave()

    # --- the event source ------------------------------------------------------------------------

    @asynccontextmanager
    async def _armed(self) -> AsyncIterator[tuple[EventSource, Watch]]:
        """The first source that suits the root and can be armed; before any scan begins."""
        context = self._context
        wanted = context.settings.file_watcher.source
        reasons = []
        for source in self._sources:
            if wanted not in ("auto", source.name):
                continue
            if wanted == "auto" and (reason := source.suits(context.root.path, context.root.type)):
                reasons.append(f"{source.name}: {reason}")
                continue
            async with source.watch(context.root.path, context.spec.filters) as watch:
                yield source, watch
                return
        why = "; ".join(reasons) or f"{wanted!r} is not loaded"
        raise PluginError(f"no event source for {context.repository.name}: {why}")

    async def _listen(self) -> None:
        try:
            async for batch in self._watch.observations():
                now = time.monotonic()
                for observation in batch:
                    if is_ignore_file(observation.path):
                        self._reload_rules(observation.path, now)
                self._settle.observe(batch, now)
                self._wake.set()
        except OSError as error:
            await self._lost("event source died")
            raise SourceDied(str(error)) from error
        await self._lost("event source ended")
        raise SourceDied("the event source ended")

    def _reload_rules(self, path: str, now: float) -> None:
        """An ignore file changed: new rules for every worker, and a look at what they cover."""
        spec = self._context.spec
        self._context.spec = spec._replace(key=f"{spec.key}+")
        self._settle.observe([Observation(parent(path), subtree=True)], now)

    async def _lost(self, reason: str) -> None:
        await self._context.store.mark_dirty(self._context.repository.id, [("", reason)])

    # --- settling and inspection -----------------------------------------------------------------

    async def _settle_loop(self) -> None:
        while True:
            await self._wait_for_due()
            due = self._settle.due(time.monotonic())
            for observation in due:
                if observation.subtree:
                    self._dirty.setdefault(observation.path, None)
                    self._dirty_wake.set()
            files = {o.path: o.written for o in due if not o.subtree}
            if files:
                await self._inspect(files)
            elif not due and self._burst is not None:
                await self._end_burst()

    async def _wait_for_due(self) -> None:
        """Until something is due, or a burst has been over for a while."""
        next_due = self._settle.next_due()
        limit = _QUIET if self._burst is not None else None
        if next_due is not None:
            delay = max(0.0, next_due - time.monotonic())
            limit = delay if limit is None else min(limit, delay)
        with anyio.move_on_after(limit):
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                upcoming = self._settle.next_due()
                if upcoming is not None and upcoming != next_due:
                    return

    async def _inspect(self, files: dict[str, bool]) -> None:
        run = self._burst_run()
        paths = list(files)
        for start in range(0, len(paths), _BURST):
            part = {path: files[path] for path in paths[start : start + _BURST]}
            overtaken = await self.session.inspector.inspect(part, run)
            again = [Observation(path, at_once=False) for path in overtaken]
            self._settle.observe(again, time.monotonic())

    def _burst_run(self) -> Run:
        if self._burst is None:
            self._burst = self._context.run(OperationType.REALTIME)
        return self._burst

    async def _end_burst(self) -> None:
        run, self._burst = self._burst, None
        finished = await run.finish() if run is not None else None
        if finished is not None:
            self._context.hub.tell(Finished(self._context.repository, finished))

    # --- scans -----------------------------------------------------------------------------------

    async def _dirty_loop(self) -> None:
        """Scans dirty subtrees as they come, beside a full scan if one is running."""
        await self._load_dirty()
        while True:
            await self._dirty_wake.wait()
            self._dirty_wake = anyio.Event()
            while self._dirty:
                taken, self._dirty = self._dirty, {}
                await self._scan_dirty(taken)

    async def _scan_dirty(self, taken: dict[str, DirtyPath | None]) -> None:
        started = time.monotonic()
        prefixes = collapse(taken, _MOST_DIRTY)
        scanned = await self.session.scanner().scan(prefixes, self._burst_run())
        marks = [mark for mark in taken.values() if mark is not None]
        if marks:
            await self._context.store.clear_dirty(self._context.repository.id, marks)
        overtaken = [Observation(path) for path in scanned.overtaken]
        self._settle.observe(overtaken, time.monotonic())
        self._wake.set()
        if "" in prefixes:
            self._watch.scanned(time.monotonic() - started)

    async def _load_dirty(self) -> None:
        marks = await self._context.store.dirty(self._context.repository.id)
        for mark in marks:
            self._dirty[mark.prefix] = mark
        if marks:
            self._dirty_wake.set()

    async def _scan_loop(self) -> None:
        """The startup scan, then what is asked for and what is scheduled; one full scan at a time."""
        repository = self._context.repository
        if self._context.settings.reconciliation.startup_scan or not repository.clean:
            await self._full_scan(OperationType.STARTUP, ("",), rehash=False)
        while True:
            while self._requests:
                await self._requested_scan(self._requests.pop(0))
            now = datetime.now().astimezone()
            self._next_scan = next_reconciliation(self._context.settings.reconciliation, self._last_scan, now)
            delay = None if self._next_scan is None else (self._next_scan - now).total_seconds()
            with anyio.move_on_after(delay) as waiting:
                await self._scan_wake.wait()
            self._scan_wake = anyio.Event()
            if waiting.cancelled_caught:
                await self._full_scan(OperationType.RECONCILIATION, ("",), rehash=False)

    async def _requested_scan(self, request: ScanRequest) -> None:
        try:
            request.operation = await self._full_scan(request.type, request.prefixes, rehash=request.rehash)
        except Exception as error:
            request.error = error
            raise
        finally:
            request.done.set()

    async def _full_scan(self, type: OperationType, prefixes: Sequence[str], *, rehash: bool) -> Any:
        context = self._context
        self._scanning = True
        self._say_state()
        expected = (await context.current()).files
        try:
            async with operation(self.session, type, " ".join(prefixes)) as run:

                def told(run: Run) -> None:
                    seconds = anyio.current_time() - run.started
                    context.hub.tell(Progress(context.repository, type, run.counts, expected, seconds))

                scanned = await reconcile(self.session, run, prefixes, rehash=rehash, told=told)
                begun = await run.begin()
        finally:
            self._scanning = False
        self._last_scan = datetime.now(UTC)
        self._settle.observe([Observation(path) for path in scanned.overtaken], time.monotonic())
        self._wake.set()
        self._say_state()
        return begun

    # --- hashing and deletions -------------------------------------------------------------------

    async def _hash_loop(self) -> None:
        if not self._context.content.hashing:
            return
        recorder = self._context.recorder
        while True:
            recorder.unread = anyio.Event()
            async with operation(self.session, OperationType.REALTIME) as run:
                await self._hashes.drain(run)
            with anyio.move_on_after(self._hashes.next_try() or _UNWATCHED_EVERY):
                await recorder.unread.wait()

    async def _deletion_loop(self) -> None:
        recorder = self._context.recorder
        while True:
            recorder.lost = anyio.Event()
            delay = await self.session.deletions.step(self._burst_run())
            self._wake.set()
            with anyio.move_on_after(delay):
                await recorder.lost.wait()

    async def _verify_loop(self) -> None:
        """Reads again what a chmod, a backup or a scan's move left to verify: a twentieth of the time."""
        while self._context.content.hashing:
            await anyio.sleep(_VERIFY_REST)
            started = time.monotonic()
            async with operation(self.session, OperationType.REALTIME) as run:
                await self._hashes.verify(run, _VERIFY_REST / _VERIFY_SHARE)
            await anyio.sleep(_VERIFY_SHARE * (time.monotonic() - started))

    async def _purge_loop(self) -> None:
        """Ends records that have been deleted for longer than the retention; not while a person is asked."""
        context = self._context
        if context.settings.retention is None:
            return
        age = timedelta(seconds=context.settings.retention)
        while True:
            while not self._held and await patiently(
                lambda: context.store.purge(context.lease, age, _PURGED), None
            ):
                pass
            await anyio.sleep(_PURGE_EVERY)

    # --- health ----------------------------------------------------------------------------------

    async def _tick_loop(self) -> None:
        store, repository = self._context.store, self._context.repository
        ticks = 0
        last: dict[str, Any] = {}
        while True:
            await self._load_dirty()
            holds = await store.holds(repository.id, statuses=(HoldStatus.OPEN, HoldStatus.APPROVED))
            self._held = any(hold.status is HoldStatus.OPEN for hold in holds)
            if any(hold.status is HoldStatus.APPROVED for hold in holds):
                self._context.recorder.lost.set()
            if ticks % round(_ROOT_EVERY / _TICK) == 0:
                await self._context.root.check()
            if ticks % round(_UNWATCHED_EVERY / _TICK) == 0:
                self._mark(self._watch.health().unwatched)
            self._say_state()
            health = self._health()
            if health != last:
                await store.update_repository(repository.id, health=health)
                last = health
            ticks += 1
            await anyio.sleep(_TICK)

    def _mark(self, prefixes: Sequence[str]) -> None:
        for prefix in prefixes:
            self._dirty.setdefault(prefix, None)
        if prefixes:
            self._dirty_wake.set()

    async def _fail_loop(self) -> None:
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    def _state(self) -> tuple[RepositoryState, str]:
        health = self._watch.health()
        if self._scanning:
            return RepositoryState.SCANNING, ""
        if self._held:
            return RepositoryState.HELD, "deletions wait for your decision: treeledger deletions list"
        if health.degraded is not None:
            return RepositoryState.DEGRADED, health.degraded
        return RepositoryState.WATCHING, _heard(self._source, health)

    def _say_state(self) -> None:
        self._say(*self._state())

    def _health(self) -> dict[str, Any]:
        state, message = self._state()
        health = self._watch.health()
        return {
            "state": state.value,
            "message": message,
            "source": self._source.name,
            "watches": health.watches,
            "watches_needed": health.needed,
            "watch_limit": health.limit,
            "last_event": health.last_event.isoformat() if health.last_event else None,
            "next_reconciliation": self._next_scan.isoformat() if self._next_scan else None,
        }

    # --- leaving ---------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """Closes the burst, and marks as dirty what had not settled yet."""
        with anyio.move_on_after(2, shield=True):
            await self._end_burst()
            waiting = [parent(o.path) if not o.subtree else o.path for o in self._settle.due(float("inf"))]
            prefixes = collapse({*waiting, *self._dirty}, _MOST_DIRTY)
            if prefixes:
                marks = [(prefix, "stopped before it was looked at") for prefix in prefixes]
                await self._context.store.mark_dirty(self._context.repository.id, marks)


def _heard(source: EventSource, health: SourceHealth) -> str:
    return f"{show_count(health.watches)} folders" if health.watches else f"by {source.name}"
