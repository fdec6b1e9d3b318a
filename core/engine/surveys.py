"""Surveys side by side: spans of a tree go to processes, and what each leaves is shared out again."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import anyio
import anyio.from_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from treeledger.engine.context import Context
from treeledger.protocols import FilePlace, KeyRow
from treeledger.survey import Surveyed, Task
from treeledger.walk import ALL, Span

_FIRST: Final = 500  # files; a tree that has more is worth starting processes
_MEANWHILE: Final = 0.05  # seconds of a survey in a thread until they are there
_AHEAD: Final = 2  # results that wait
_WAITING: Final = 8  # spans; while so many wait, what is left of another is not cut up
_LEAST_READING: Final = 0.05  # seconds

Send = MemoryObjectSendStream[Surveyed]


class _Piece(NamedTuple):
    prefix: str
    span: Span


class Surveys:
    """The surveys of one scan. `base` is what its tasks have in common.

    A thread begins. What is too much for it goes to processes that read the ledger by themselves, where the
    store can be read so; what a process could not do a thread does, which takes up no new files.
    """

    def __init__(self, context: Context, prefixes: Sequence[str], base: Task) -> None:
        self._context = context
        self._base = base
        self._ledger = _Bridge(context)
        self._waiting = deque(_Piece(prefix, ALL) for prefix in prefixes)
        self._busy = 0
        self._changed = anyio.Event()
        self._processes_work = False
        self._reading = base.taking.seconds if base.taking else 0.0

    @asynccontextmanager
    async def results(self) -> AsyncIterator[AsyncIterator[Surveyed]]:
        """What was found, piece by piece, in no order. Raises RootOffline."""
        send, receive = anyio.create_memory_object_stream[Surveyed](_AHEAD)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, send)
            with receive:
                yield receive
            tasks.cancel_scope.cancel()

    async def _run(self, send: Send) -> None:
        with send:
            async with anyio.create_task_group() as lanes:
                await self._begin(send, lanes)

    async def _begin(self, send: Send, lanes: TaskGroup) -> None:
        """The first lane: alone, or until processes work."""
        files = count = 0
        survey = self._at_first
        while not self._processes_work and (piece := await self._next()) is not None:
            found = await self._done(piece, survey, send)
            files += found.files
            if files >= _FIRST and self._waiting and survey == self._at_first:
                count = self._context.workers.survey_lanes(self._context.spec)
                survey = self._meanwhile if count else self._in_thread
                for _ in range(count):
                    lanes.start_soon(self._go_on, send)
            if count and found.nominations.new:
                break  # processes are better at new files

    async def _go_on(self, send: Send) -> None:
        while (piece := await self._next()) is not None:
            await self._done(piece, self._in_process, send)

    async def _next(self) -> _Piece | None:
        """The next piece; waits while others may leave some. None at the end."""
        while not self._waiting:
            if not self._busy:
                return None
            await self._changed.wait()
        self._busy += 1
        return self._waiting.popleft()

    async def _done(
        self, piece: _Piece, survey: Callable[[_Piece], Awaitable[Surveyed]], send: Send
    ) -> Surveyed:
        found = await survey(piece)
        self._waiting.extend(_Piece(piece.prefix, span) for span in found.rest)
        self._busy -= 1
        self._changed.set()
        self._changed = anyio.Event()
        await send.send(found)
        return found

    async def _at_first(self, piece: _Piece) -> Surveyed:
        return await self._in_thread(piece, most=_FIRST, found=_FIRST)

    async def _meanwhile(self, piece: _Piece) -> Surveyed:
        return await self._in_thread(piece, seconds=_MEANWHILE, found=_FIRST)

    async def _in_thread(self, piece: _Piece, **given: Any) -> Surveyed:
        task = self._base._replace(prefix=piece.prefix, span=piece.span, taking=None, **given)
        return await self._context.workers.survey_here(self._context.spec, task, self._ledger)

    async def _in_process(self, piece: _Piece) -> Surveyed:
        taking = self._base.taking and self._base.taking._replace(seconds=self._reading)
        pieces = 1 if len(self._waiting) >= _WAITING else self._base.pieces
        task = self._base._replace(prefix=piece.prefix, span=piece.span, pieces=pieces, taking=taking)
        found = await self._context.workers.survey(self._context.spec, task)
        if found is None:
            return await self._in_thread(piece)
        self._processes_work = True
        if taking is not None and self._base.taking is not None:  # listing does not wait for slow reading
            self._reading = (
                max(_LEAST_READING, taking.seconds / 2)
                if found.is_late
                else min(self._base.taking.seconds, self._reading * 2)
            )
        return found


class _Bridge:
    """The engine's own store, read from a thread of its; it waits for one that is away."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def keys(self, low: str, high: str | None, limit: int) -> list[KeyRow]:
        context = self._context
        keys = anyio.from_thread.run(context.store.keys, context.repository.id, low, high, limit)
        return [*keys]

    def known(self, files: Sequence[FilePlace]) -> set[str]:
        """It may know something of all of them."""
        return {path for path, _, _ in files}

    def close(self) -> None:
        return
