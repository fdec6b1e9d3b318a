"""What was wished last is done: requests to the engine, of which only the newest counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from textual.dom import DOMNode

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
        self._is_running = False
        self.is_outdated = False

    def wish(self, what: T) -> None:
        self._waiting = [what]
        self.is_outdated = True
        if not self._is_running:
            self._is_running = True
            run: Any = self._run
            self._widget.run_worker(run)

    def drop(self) -> None:
        """Wishes nothing any more."""
        self._waiting = []
        self.is_outdated = True

    async def _run(self) -> None:
        try:
            while self._waiting:
                what, self._waiting, self.is_outdated = self._waiting[0], [], False
                await self._do(what)
        finally:
            self._is_running = False
