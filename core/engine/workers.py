"""Running the sync worker functions on threads and processes, a hop per batch."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Final, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from treeledger import worker
from treeledger.engine.processes import Processes
from treeledger.engine.readers import Readers, patience
from treeledger.errors import PluginError, StoreError
from treeledger.listing import Listing
from treeledger.model import FileStat
from treeledger.protocols import LedgerReader
from treeledger.reading import Read, ReadLimits
from treeledger.survey import Surveyed, Task
from treeledger.worker import Look, WorkSpec

log = logging.getLogger(__name__)
_PROCESSES: Final = min(4, os.cpu_count() or 1)
_SURVEYS_AHEAD: Final = 1  # so that no process waits for its next one
_LONGEST_SURVEY: Final = 600.0  # seconds; it breaks off after one or two, but between directories only
_WORTH_BEGINNING: Final = 20_000  # files
_WORTH_A_PROCESS: Final = 200  # files in a batch; fewer are done before a process would have begun

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """The lanes of an engine: walking, looking, reading small files, reading large ones.

    Small files are read in batches by one thread, or with `processes` by other processes (threads would
    fight for the interpreter's lock), large ones by a thread each, so that neither delays the other. A
    reading that is cancelled, or hangs, leaves its thread to itself: reading changes nothing.
    """

    def __init__(self, *, processes: bool = False) -> None:
        self._walks = anyio.CapacityLimiter(8)
        self._looks = anyio.CapacityLimiter(2)
        self._small = anyio.CapacityLimiter(1)
        self._readers = Readers()
        self._processes = Processes(_PROCESSES) if processes else None

    async def look(self, spec: WorkSpec, paths: Sequence[str]) -> list[Look]:
        return await self._run(self._looks, len(paths), worker.look, spec, paths)

    async def list_folders(self, spec: WorkSpec, folders: Sequence[str]) -> list[Listing]:
        return await self._run(self._looks, 0, worker.list_folders, spec, folders)

    async def names(self, spec: WorkSpec, directories: Sequence[str], most: int) -> list[list[str] | None]:
        return await self._run(self._looks, 0, worker.names, spec, directories, most)

    async def read_small(
        self, spec: WorkSpec, wanted: Sequence[tuple[str, FileStat]], limits: ReadLimits
    ) -> list[Read]:
        """Reads a batch. One that keeps a pace is read here, where others keep it; nobody waits for it."""
        if limits.pace is None and len(wanted) >= _WORTH_A_PROCESS:
            most = limits.deadline and limits.deadline - time.monotonic() + patience(limits)
            with anyio.move_on_after(most) as waiting:
                reads = await self._in_process(partial(worker.read, spec, wanted, limits))
                if reads is not None:
                    return reads
            if waiting.cancelled_caught and self._processes is not None:
                self._processes.leave()
        lane = self._small if limits.pace is None else anyio.CapacityLimiter(1)
        return await self._readers.read(spec, wanted, limits, lane)

    async def _run(
        self,
        limiter: anyio.CapacityLimiter,
        size: int,
        call: Callable[P, T],
        *arguments: P.args,
        **options: P.kwargs,
    ) -> T:
        task = partial(call, *arguments, **options)
        if size >= _WORTH_A_PROCESS and (result := await self._in_process(task)) is not None:
            return result
        return await anyio.to_thread.run_sync(task, limiter=limiter)

    async def _in_process(self, task: Callable[[], T]) -> T | None:
        """None where no process can do it: a thread has to."""
        future = self._processes.submit(task) if self._processes is not None else None
        if self._processes is None or future is None:
            return None
        try:
            return await asyncio.wrap_future(future)
        except BrokenProcessPool as error:
            self._processes.give_up(error)
            return None

    async def read_large(
        self,
        spec: WorkSpec,
        path: str,
        stat: FileStat,
        limits: ReadLimits,
        limiter: anyio.CapacityLimiter,
    ) -> Read:
        (result,) = await self._readers.read(spec, [(path, stat)], limits, limiter)
        return result

    def expect(self, files: int) -> None:
        """Says that about so many files are to be surveyed, so that processes begin meanwhile."""
        if files >= _WORTH_BEGINNING and self._processes is not None:
            self._processes.begin()

    def survey_lanes(self, spec: WorkSpec) -> int:
        """How many surveys may be in the hands of processes; 0 where they cannot read the ledger."""
        return _PROCESSES + _SURVEYS_AHEAD if self._processes is not None and spec.ledger is not None else 0

    async def survey(self, spec: WorkSpec, task: Task) -> Surveyed | None:
        """In a process; None where that cannot be done, or does not end. Raises RootOffline."""
        with anyio.move_on_after(_LONGEST_SURVEY) as waiting:
            try:
                return await self._in_process(partial(worker.survey, spec, task))
            except (StoreError, PluginError, MemoryError) as error:
                log.debug("a process could not survey %s: %s", task.prefix, error)
        if waiting.cancelled_caught and self._processes is not None:
            self._processes.leave()
        return None

    async def survey_here(self, spec: WorkSpec, task: Task, ledger: LedgerReader) -> Surveyed:
        """In a thread. Raises RootOffline, and what the ledger raises."""
        return await anyio.to_thread.run_sync(worker.survey, spec, task, ledger, limiter=self._walks)

    async def release(self, spec: WorkSpec) -> None:
        """Closes what is kept open for a spec, so that its disk can be unmounted."""
        if self._processes is not None:
            self._processes.retire()
        await anyio.to_thread.run_sync(worker.release, spec.key, limiter=self._walks)
