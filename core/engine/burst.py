"""A burst: everything that events lead to within a while is one operation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from treeledger.engine.context import Context
from treeledger.engine.hub import Finished
from treeledger.engine.run import Run
from treeledger.model import OperationType

_QUIET: Final = 1.0  # seconds without use that end a burst
_LONGEST_REST: Final = 0.2  # seconds
_REST_EACH: Final = 0.001  # seconds for each path, at most


async def rest_after(started: float, paths: int | None = None) -> None:
    """Rests as long as the work since `started` (of `time.monotonic`) took: in a burst more comes together,
    and who writes the files gets half of the disk. After a few `paths` it rests little: somebody waits."""
    longest = _LONGEST_REST if paths is None else min(_LONGEST_REST, paths * _REST_EACH)
    await anyio.sleep(min(time.monotonic() - started, longest))


class Burst:
    """Hands out the current realtime run, and closes its operation when it is over."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._run: Run | None = None
        self._users = 0
        self._last_used = 0.0
        self._used = anyio.Event()

    @contextmanager
    def use(self) -> Iterator[Run]:
        """The run of this burst; it is not closed as long as anybody uses it."""
        if self._run is None:
            self._run = self._context.run(OperationType.REALTIME)
        self._users += 1
        self._used.set()
        try:
            yield self._run
        finally:
            self._users -= 1
            self._last_used = anyio.current_time()

    async def serve(self) -> None:
        """Ends each burst a while after its last use."""
        while True:
            await self._used.wait()
            while (left := self._left()) > 0:  # noqa: ASYNC110 - quiet is a matter of time
                await anyio.sleep(left)
            await self.end()

    def _left(self) -> float:
        return _QUIET if self._users else self._last_used + _QUIET - anyio.current_time()

    async def end(self) -> None:
        """Closes the operation, if anything happened."""
        run, self._run, self._used = self._run, None, anyio.Event()
        finished = await run.finish() if run is not None else None
        if finished is not None:
            self._context.hub.tell(Finished(self._context.repository, finished))
