"""Work that a reader waits for: its progress as it comes, and in the end what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import anyio

from treeledger.api.events import Event, Ping, Sent
from treeledger.engine.engine import Engine
from treeledger.engine.run import Run
from treeledger.errors import TreeledgerError
from treeledger.model import Counts
from treeledger.wire_work import Counted

_EVERY: Final = 0.1  # seconds between two pictures
_PING_EVERY: Final = 15.0  # seconds
Tell = Callable[[Run], None]
Work = Callable[[Tell], Awaitable[Any]]
"""Called with whom the run so far is to be told."""


class Errand:
    """One piece of work in a task of the engine's: it ends if whoever asked for it goes."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._scope = anyio.CancelScope()
        self._news = anyio.Event()
        self._counts: Counts | None = None
        self._ended = anyio.Event()
        self._answer: Any = None
        self._error: Exception | None = None

    async def run(self) -> None:
        try:
            with self._scope:
                self._answer = await self._work(self._tell)
        except Exception as error:
            self._error = error  # raised where the answer is waited for
        finally:
            self._ended.set()
            self._news.set()

    def _tell(self, run: Run) -> None:
        self._counts = replace(run.counts)
        self._news.set()

    async def events(self, engine: Engine) -> AsyncIterator[Sent]:
        """Has it done: `progress`, then `done` with the answer. Raises what the work raised."""
        engine.start(self.run)
        try:
            while not self._ended.is_set():
                with anyio.move_on_after(_PING_EVERY):
                    await self._news.wait()
                self._news = anyio.Event()
                if self._counts is None:
                    yield Ping()
                    continue
                counts, self._counts = self._counts, None
                yield Event("progress", Counted.of(counts))
                with anyio.move_on_after(_EVERY):
                    await self._ended.wait()
            if self._error is not None:
                raise self._error
            if self._answer is None:
                raise TreeledgerError("the engine was stopped. What was done until then is on record")
            yield Event("done", self._answer)
        finally:
            self._scope.cancel()
