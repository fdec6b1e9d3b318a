"""What was wished last is done: requests to the engine, of which only the newest counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from textual.dom import DOMNode

from treeledger.tui.working import begin

T = TypeVar("T")


class Latest(Generic[T]):
    """Does one wish at a time, in a worker of a widget. Of those that come meanwhile only the last is done.

    Nothing is broken off, as the engine would go on with it anyway; what is done asks `is_outdated` where it
    can stop.
    """

    def __init__(self, widget: DOMNode, do: Callable[[T], Awaitable[None]]) -> None:
        self._widget = widget
        self._do = do
        self._waiting: list[T] = []
        self._done: anyio.Event | None = None  # while one is done
        self.is_outdated = False

    def wish(self, what: T) -> None:
        self._waiting = [what]
        self.is_outdated = True
        if self._done is None:
            self._done = anyio.Event()
            begin(self._widget, self._run)

    def drop(self) -> None:
        """Wishes nothing any more."""
        self._waiting = []
        self.is_outdated = True

    async def rest(self) -> None:
        """Until what was wished so far is done, or dropped."""
        if self._done is not None:
            await self._done.wait()

    async def _run(self) -> None:
        try:
            while self._waiting:
                what, self._waiting, self.is_outdated = self._waiting[0], [], False
                await self._do(what)
        finally:
            assert self._done is not None
            self._done.set()
            self._done = None
