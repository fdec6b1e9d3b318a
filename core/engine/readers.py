"""Reading in threads that may never come back: nobody waits for ever for a disk or a hasher."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread

from treeledger import worker
from treeledger.engine.groups import ungrouped
from treeledger.model import FileStat, Problem, ProblemCode
from treeledger.reading import Outcome, Progress, Read, ReadLimits, hung
from treeledger.worker import WorkSpec

NO_THREAD: Final = "can't start new thread"  # a RuntimeError of `threading`: no room, or too many
_PATIENCE: Final = 30.0  # seconds without a further MiB; a disk that has to spin up takes a third of it
_MARGIN: Final = 1.0  # seconds beyond `hash_timeout`, within which the thread itself says that it is over
_GRACE: Final = 1.0  # seconds that a cancelled reading has to close what it opened


def patience(limits: ReadLimits) -> float:
    """Seconds after which a file that does not go on is taken to hang."""
    return _PATIENCE if limits.timeout is None else limits.timeout + _MARGIN


class Readers:
    """Reads in threads, and watches over them.

    A thread cannot be ended. One in which a file does not go on is left with that file and no others:
    the file is told as `hung`, what was not begun is read later, in another thread. As long as the
    thread is in it the file is not begun again, so each file can cost one thread and no more.
    """

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], Progress] = {}

    async def read(
        self,
        spec: WorkSpec,
        wanted: Sequence[tuple[str, FileStat]],
        limits: ReadLimits,
        limiter: anyio.CapacityLimiter,
    ) -> list[Read]:
        """What became of each file, in the given order. Raises RootOffline."""
        free = [one for one in wanted if not self._is_left(spec.root, one[0])]
        progress = Progress()
        hangs = await self._run(spec, free, limits, limiter, progress) if free else None
        if hangs is not None:
            self._left[spec.root, hangs] = progress
        done = dict(progress.done)
        return [
            hung(path, stat, limits, patience(limits))
            if self._is_left(spec.root, path)
            else done.get(path) or Read(path, stat, Outcome.LATER)
            for path, stat in wanted
        ]

    def _is_left(self, root: str, path: str) -> bool:
        progress = self._left.get((root, path))
        if progress is not None and not progress.is_running:
            del self._left[root, path]
            return False
        return progress is not None

    async def _run(
        self,
        spec: WorkSpec,
        wanted: Sequence[tuple[str, FileStat]],
        limits: ReadLimits,
        limiter: anyio.CapacityLimiter,
        progress: Progress,
    ) -> str | None:
        """Reads in a thread; returns the path in which it hangs, if it does."""

        def read() -> None:
            progress.is_running = progress.has_begun = True
            try:
                worker.read(spec, wanted, limits, progress)
            finally:
                progress.is_running = False

        hangs: str | None = None
        with ungrouped():
            async with anyio.create_task_group() as tasks:

                async def watch() -> None:
                    nonlocal hangs
                    hangs = await _hanging(progress, patience(limits))
                    tasks.cancel_scope.cancel()

                tasks.start_soon(watch)
                try:
                    await anyio.to_thread.run_sync(read, limiter=limiter, abandon_on_cancel=True)
                except RuntimeError as error:
                    if progress.has_begun or str(error) != NO_THREAD:
                        raise
                    progress.done.update((path, _unbegun(path, stat, error)) for path, stat in wanted)
                except anyio.get_cancelled_exc_class():
                    if hangs is None:
                        await _end(progress)
                    raise
                tasks.cancel_scope.cancel()
        return hangs


def _unbegun(path: str, stat: FileStat, error: Exception) -> Read:
    problem = Problem(path, ProblemCode.IO_ERROR, f"it cannot be read now: {error}")
    return Read(path, stat, Outcome.FAILED, problem=problem)


async def _hanging(progress: Progress, seconds: float) -> str | None:
    """Waits until a file has not gone on for so long, and returns its path."""
    while True:
        path, left = progress.reading, progress.since + seconds - time.monotonic()
        if path is not None and left <= 0:
            return path
        await anyio.sleep(left if path is not None else seconds)


async def _end(progress: Progress) -> None:
    """Lets a reading that is cancelled close its files, so that their disk can be unmounted."""
    with anyio.move_on_after(_GRACE, shield=True):
        while progress.is_running:  # noqa: ASYNC110 - it is another thread that says so
            await anyio.sleep(0.01)
