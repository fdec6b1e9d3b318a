"""One scan as an operation: from the live count before it to the deletions it led to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from treeledger.engine.context import Context
from treeledger.engine.hub import Finished
from treeledger.engine.run import Run
from treeledger.engine.scan import Scanned, Told
from treeledger.engine.session import Session
from treeledger.errors import StoreUnavailable
from treeledger.model import OperationType, SyncOperation

_GIVE_UP_AFTER = 4  # readings of a file that changes every time


@asynccontextmanager
async def operation(session: Session, type: OperationType, scope: str = "") -> AsyncIterator[Run]:
    """A run that is closed in any case: as failed, with the error's words, if its body raises."""
    context = session.context
    run = context.run(type, scope)
    error = "interrupted"
    try:
        yield run
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
        scanned = await reconcile(session, run, prefixes, rehash=rehash, told=told)
        if scanned.overtaken:
            await session.inspector.inspect(dict.fromkeys(scanned.overtaken, True), run, found_by_scan=True)
        if context.content.hashing and wait:
            await session.hashes(told=told).drain(run, tries=_GIVE_UP_AFTER)
        begun = await run.begin()
    operations = await context.store.operations(context.repository.id, limit=20)
    return next(one for one in operations if one.id == begun.id)
