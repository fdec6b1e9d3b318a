"""Keys that come together are done one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final

from textual.app import App
from textual.dom import DOMNode
from textual.events import Key

_PATIENCE: Final = 1.0  # seconds that a key may take before the next one is done all the same


class InTurn:
    """Hands over each key once all is done that the one before it brings.

    A slow line brings several at once. Textual sends each to what has the focus as it comes, so that the
    letters after a `/` are keys of the screen and not text for the field that it opens.
    """

    def __init__(self, app: App[Any], hand_over: Callable[[Key], Awaitable[None]]) -> None:
        self._app = app
        self._hand_over = hand_over
        self._waiting: deque[Key] = deque()
        self._begun: float | None = None  # monotonic, of the key that is being done

    async def take(self, key: Key) -> None:
        self._waiting.append(key)
        if self._begun is None or monotonic() > self._begun + _PATIENCE:
            await self._next()

    async def _next(self) -> None:
        if not self._waiting:
            self._begun = None
            return
        self._begun = begun = monotonic()
        screen, target = self._app.screen, self._app.focused
        await self._hand_over(self._waiting.popleft())
        self._follow((target or screen).ancestors_with_self, partial(self._done, screen, begun))

    def _follow(self, nodes: Sequence[DOMNode], then: Callable[[], Any]) -> None:
        """Goes the way of a key that nobody takes: behind it through the messages of each node."""
        for place, node in enumerate(nodes, 1):
            if node.call_later(self._follow, nodes[place:], then):
                return
        self._app.call_later(then)

    async def _done(self, screen: DOMNode, begun: float) -> None:
        if begun != self._begun:
            return  # it took too long, and another is being done
        if (now := self._app.screen) is screen:
            await self._next()
        else:  # it opened another one, which gives the focus first
            self._follow((now,), partial(self._done, now, begun))
