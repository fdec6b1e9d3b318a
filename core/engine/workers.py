"""Running the sync worker functions on threads, a hop per batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.from_thread
import anyio.to_thread

from treeledger import worker
from treeledger.model import FileStat
from treeledger.reading import Read, ReadLimits
from treeledger.walk import WalkBatch
from treeledger.worker import Look, WorkSpec

_BATCHES_AHEAD = 8


class Workers:
    """The lanes of an engine: looking, reading small files, reading large ones.

    Small files are read in batches by one thread (two would fight for the interpreter's lock), large
    ones by a thread each, so that neither delays the other.
    """

    def __init__(self) -> None:
        self._walks = anyio.CapacityLimiter(8)
        self._looks = anyio.CapacityLimiter(2)
        self._small = anyio.CapacityLimiter(1)

    async def look(self, spec: WorkSpec, paths: Sequence[str]) -> list[Look]:
        return await anyio.to_thread.run_sync(worker.look, spec, paths, limiter=self._looks)

    async def read_small(
        self, spec: WorkSpec, wanted: Sequence[tuple[str, FileStat]], limits: ReadLimits
    ) -> list[Read]:
        return await anyio.to_thread.run_sync(worker.read, spec, wanted, limits, limiter=self._small)

    async def read_large(
        self,
        spec: WorkSpec,
        path: str,
        stat: FileStat,
        limits: ReadLimits,
        limiter: anyio.CapacityLimiter,
    ) -> Read:
        """Reads one file. Cancelled, it leaves the thread to itself: reading changes nothing."""
        (result,) = await anyio.to_thread.run_sync(
            worker.read, spec, [(path, stat)], limits, limiter=limiter, abandon_on_cancel=True
        )
        return result

    async def release(self, spec: WorkSpec) -> None:
        """Closes what is kept open for a spec, so that its disk can be unmounted."""
        await anyio.to_thread.run_sync(worker.release, spec.key, limiter=self._walks)

    @asynccontextmanager
    async def walk(self, spec: WorkSpec, prefixes: Sequence[str]) -> AsyncIterator[AsyncIterator[WalkBatch]]:
        """The batches of a walk through some prefixes, a few of them ahead of who takes them."""
        send, receive = anyio.create_memory_object_stream[WalkBatch](_BATCHES_AHEAD)

        def produce() -> None:
            try:
                for batch in worker.walk_batches(spec, prefixes):
                    anyio.from_thread.run(send.send, batch)
            except anyio.BrokenResourceError:
                pass  # nobody takes the rest

        async def run() -> None:
            with send:
                await anyio.to_thread.run_sync(partial(produce), limiter=self._walks)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            with receive:
                yield receive
