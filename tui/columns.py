"""Columns of a listing: which of them there is room for, and how wide each is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

from treeledger.tui.texts import Line, Piece, Tone, fitted

GAP: Final = 2
_MARK: Final = "▸ "


class Column(NamedTuple):
    """A column `width` cells wide; one that `grows` takes what is left, and has `width` at least.

    Where there is little room, columns are left out, those of the highest `rank` first, and never those of 0.
    """

    title: str
    width: int
    right: bool = False
    rank: int = 0
    grows: bool = False


def widths(columns: Sequence[Column], room: int) -> list[int]:
    """The width of each column in so many cells; 0: it is left out."""
    shown = list(columns)
    while _least(shown) > room and any(one.rank for one in shown):
        shown.remove(max(shown, key=lambda one: one.rank))
    growing = [one for one in shown if one.grows]
    left = room - _least(shown)
    share = {one.title: left // len(growing) for one in growing} if growing else {}
    if growing:
        share[growing[0].title] += left % len(growing)
    return [max(0, one.width + share.get(one.title, 0)) if one in shown else 0 for one in columns]


def _least(columns: Sequence[Column]) -> int:
    return sum(one.width for one in columns) + GAP * (len(columns) - 1)


def width_of(title: str, columns: Sequence[Column], room: int) -> int:
    """The width of the column of that title in a row of so many cells; 0: it is left out."""
    found = zip(columns, widths(columns, room - len(_MARK)), strict=True)
    return next(width for one, width in found if one.title == title)


def spare(columns: Sequence[Column], room: int) -> int:
    """The cells of a row of so many that no column needs; negative where there are too few."""
    return room - len(_MARK) - _least(columns)


def wide_enough(column: Column, texts: Iterable[str], most: int) -> Column:
    """The column with room for all of these texts, and no wider than `most`."""
    longest = max(map(cell_len, texts), default=0)
    return column._replace(width=max(column.width, min(longest, most)))


def heading(columns: Sequence[Column], room: int) -> Line:
    """The line of titles."""
    return row_line(columns, [Piece(one.title, Tone.DIM) for one in columns], room)


def row_line(columns: Sequence[Column], cells: Sequence[Piece], room: int, *, marked: bool = False) -> Line:
    """A row in exactly so many cells, the first two for the mark of the one that is chosen."""
    pieces = [Piece(_MARK if marked else " " * len(_MARK), Tone.STRONG)]
    found = widths(columns, room - len(_MARK))
    placed = [place for place, width in enumerate(found) if width]
    for place in placed:
        gap = "" if place == placed[-1] else " " * GAP
        text = fitted(cells[place].text, found[place], right=columns[place].right)
        pieces.append(Piece(text + gap, cells[place].tone))
    return tuple(pieces)
