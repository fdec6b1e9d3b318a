"""Rows of a listing that changes while it is looked at: read in parts, around what is chosen. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

AT_ONCE: Final = 200  # rows of a page
_AROUND: Final = 60  # rows on either side of the chosen one that are read again with it


class Numbered(Protocol):
    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=Numbered)


class Mark(NamedTuple):
    """Where the API can be asked to go on: behind the row of that id, by a cursor; at the begin by None."""

    id: int
    cursor: str | None


class Rows(NamedTuple, Generic[Row]):
    """Rows by growing id, as they were when they were read; `is_whole`: none are behind the last one.

    `marks` are places from which can be read on, the begin first.
    """

    items: tuple[Row, ...] = ()
    marks: tuple[Mark, ...] = (Mark(0, None),)
    is_whole: bool = False

    def part(self, place: int) -> tuple[Mark, int]:
        """What to read so that all around the row at that place is read: from where, and how many pages."""
        if not self.items:
            return self.marks[0], 1
        first, last = (self._page(place + by) for by in (-_AROUND, _AROUND))
        reads_on = place + _AROUND >= len(self.items) and not self.is_whole
        return self.marks[first], last - first + 1 + reads_on

    def _page(self, place: int) -> int:
        """Behind which mark the row at a place is."""
        id = self.items[max(0, min(place, len(self.items) - 1))].id
        return max(0, bisect_left(self.marks, id, key=lambda mark: mark.id) - 1)

    def read(self, begin: Mark, items: Sequence[Row], cursor: str | None) -> Rows[Row]:
        """With what is now behind a mark in the place of what was: what is missing there is gone.

        `cursor` asks for what follows; without one nothing does.
        """
        before = tuple(one for one in self.items if one.id <= begin.id)
        marks = tuple(mark for mark in self.marks if mark.id <= begin.id)
        if cursor is None or not items:
            return Rows((*before, *items), marks, True)
        last = items[-1].id
        after = tuple(one for one in self.items if one.id > last)
        later = tuple(mark for mark in self.marks if mark.id > last)
        whole = self.is_whole and bool(after)
        return Rows((*before, *items, *after), (*marks, Mark(last, cursor), *later), whole)
