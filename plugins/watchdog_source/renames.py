"""Where directories were renamed to: the two events of a rename carry one cookie."""

from __future__ import annotations

from typing import Final

_MOST: Final = 100  # directories that left and have not arrived; the two events come close together


class Renames:
    """Pairs what left with what arrived. One that moved out of the tree, or came into it, has one end."""

    def __init__(self) -> None:
        self._left: dict[int, str] = {}
        self._sources: dict[str, str] = {}

    def left(self, cookie: int, path: str) -> None:
        if len(self._left) >= _MOST:
            del self._left[next(iter(self._left))]
        self._left[cookie] = path

    def arrived(self, cookie: int, path: str) -> None:
        source = self._left.pop(cookie, None)
        if source is not None:
            self._sources[path] = source

    def take(self) -> dict[str, str]:
        """What arrived since the last time: the former paths by the new ones."""
        sources, self._sources = self._sources, {}
        return sources
