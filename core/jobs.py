"""The jobs of actions as a person handles them: one by its id, some by theirs, or all that are dead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from treeledger.errors import NotFound
from treeledger.model import Job, JobState
from treeledger.protocols import Store

_PAGE: Final = 1000


class Handled(NamedTuple):
    """How many jobs were meant, and with how many it was done: the rest are running, or gone."""

    asked: int
    done: int


async def job_of(store: Store, id: int) -> Job:
    """Raises NotFound."""
    for job in await store.jobs(limit=1, after=id - 1):
        if job.id == id:
            return job
    raise NotFound(f"there is no job {id}; done ones are not kept. See: treeledger jobs")


async def retry(store: Store, ids: Sequence[int]) -> Handled:
    """Has dead jobs tried again now; all of them if none is named."""
    return await _handled(store, ids, store.retry_jobs)


async def clear(store: Store, ids: Sequence[int]) -> Handled:
    """Drops jobs of any state; all that are dead if none is named."""
    return await _handled(store, ids, store.clear_jobs)


async def _handled(
    store: Store, ids: Sequence[int], handle: Callable[[Sequence[int]], Awaitable[int]]
) -> Handled:
    asked = done = 0
    async for some in _meant(store, ids):
        asked += len(some)
        done += await handle(some)
    return Handled(asked, done)


async def _meant(store: Store, ids: Sequence[int]) -> AsyncIterator[Sequence[int]]:
    if ids:
        yield list(dict.fromkeys(ids))
        return
    after = 0
    while dead := await store.jobs(state=JobState.DEAD, limit=_PAGE, after=after):
        after = dead[-1].id
        yield [job.id for job in dead]
