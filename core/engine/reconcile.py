"""One scan as an operation: from the live count before it to the deletions it led to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial

import anyio

from treeledger.engine.context import Context
from treeledger.engine.groups import ungrouped
from treeledger.engine.hub import Finished
from treeledger.engine.planner import Planner
from treeledger.engine.run import INTERRUPTED, Run
from treeledger.engine.scan import Scanned, Told
from treeledger.engine.session import Session
from treeledger.errors import StoreUnavailable
from treeledger.model import OperationType, SyncOperation
from treeledger.scheduling import ScheduleKind

_GIVE_UP_AFTER = 4  # readings of a file that changes every time


@asynccontextmanager
async def operation(session: Session, type: OperationType, scope: str = "") -> AsyncIterator[Run]:
    """A run that is closed in any case: as failed, with the error's words, if its body raises."""
    context = session.context
    run = context.run(type, scope)
    error = INTERRUPTED
    try:
        yield run
        await session.inspector.neighbours.settle(run)
        await _finish(context, run, None)
    except Exception as failure:
        error = str(failure) or failure.__class__.__name__
        raise
    finally:
        if run.operation is not None:
            with context.farewell.step(), suppress(StoreUnavailable):
                await _finish(context, run, error)


async def _finish(context: Context, run: Run, error: str | None) -> None:
    finished = await run.finish(error)
    if finished is not None:
        context.hub.tell(Finished(context.repository, finished))


async def reconcile(
    session: Session,
    run: Run,
    prefixes: Sequence[str],
    *,
    rehash: bool = False,
    told: Told | None = None,
    settle: bool = True,
) -> Scanned:
    """Scans some subtrees; with `settle`, until the deletions it led to are decided or held."""
    if "" in prefixes:
        session.context.workers.expect(session.context.repository.files)
    await session.deletions.sample()
    scanned = await session.scanner(told).scan(prefixes, run, rehash=rehash)
    if settle:
        await session.deletions.settle(run, was_emptied=scanned.root_is_empty)
    return scanned


async def scan_once(
    session: Session, prefixes: Sequence[str], *, rehash: bool, wait: bool, told: Told | None
) -> SyncOperation:
    """A person's single scan: ends when everything is listed and settled and, with `wait`, hashed."""
    context = session.context
    async with operation(session, OperationType.MANUAL, " ".join(prefixes)) as run:
        async with hashing(session, run, told, wait=wait):
            whole = Planner(context).running(ScheduleKind.FULL) if "" in prefixes else nullcontext()
            async with whole:
                scanned = await reconcile(session, run, prefixes, rehash=rehash, told=told)
            if scanned.overtaken:
                overtaken = dict.fromkeys(scanned.overtaken, True)
                await session.inspector.inspect(overtaken, run, found_by_scan=True)
        begun = await run.begin()
    [ended] = await context.store.operations(context.repository.id, limit=1, before=begun.id + 1)
    return ended


@asynccontextmanager
async def hashing(session: Session, run: Run, told: Told | None, *, wait: bool) -> AsyncIterator[None]:
    """Reads, from now on and with `wait` to the end, what is committed meanwhile without its hash.

    So that the first large file is not read by one core after the walk has kept the other one busy. What
    hashes beside a watch rests meanwhile: the counts are of this run.
    """
    context = session.context
    if not (wait and context.content.hashing):
        yield
        return
    is_over = False
    drain = partial(session.hashes(told=told).drain, run, tries=_GIVE_UP_AFTER, more=lambda: not is_over)
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_alone, session, drain)
            yield
            is_over = True
            context.recorder.unread.set()


async def _alone(session: Session, drain: Callable[[], Awaitable[None]]) -> None:
    """Drains while nobody else does, and wakes up whoever waited for something to read."""
    async with session.hashing:
        waited_for = session.context.recorder.unread
        try:
            await drain()
        finally:
            waited_for.set()
