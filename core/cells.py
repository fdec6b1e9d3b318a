"""Texts in the cells of a terminal, of which a character takes none, one or two. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from treeledger.names import shown
from treeledger.protocols.panels import Line, Piece

BLOCKS: Final = "▁▂▃▄▅▆▇█"


def elided(text: str, width: int) -> str:
    """The text in at most so many cells: of a longer one the begin and, as it tells most, more of the end."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    begin = (width - 1) // 3
    head = set_cell_size(text, begin).rstrip() if begin else ""
    tail = _end(text, width - 1 - cell_len(head))
    return f"{head}…{tail}"


def _end(text: str, width: int) -> str:
    """As much of the end as fits in so many cells."""
    end = text[-width:]
    while cell_len(end) > width:
        end = end[1:]
    return end


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Exactly so many cells."""
    cut = elided(text, width)
    room = " " * (width - cell_len(cut))
    return room + cut if right else cut + room


def cut(line: Line, width: int) -> Line:
    """The line in at most so many cells: what is beyond is left out, with a … in its place."""
    kept: list[Piece] = []
    for text, tone in line:
        if cell_len(text) > width:
            begin = set_cell_size(text, max(0, width - 1)).rstrip()
            return (*kept, Piece(f"{begin}…"[:width], tone))
        kept.append(Piece(text, tone))
        width -= cell_len(text)
    return tuple(kept)


def wrapped(text: str, width: int, most: int) -> list[str]:
    """A message in lines of so many cells, the last one elided if there are more than `most`."""
    lines: list[str] = [""]
    for word in shown(text).split():
        for part in chop_cells(word, width) if cell_len(word) > width else [word]:
            longer = f"{lines[-1]} {part}".strip()
            if cell_len(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
    if len(lines) <= most:
        return lines
    last = set_cell_size(" ".join(lines[most - 1 :]), width - 1).rstrip()
    return [*lines[: most - 1], f"{last}…"]


def spark(values: Sequence[float], width: int) -> str:
    """The last values as blocks, against the greatest of them; none yet is the lowest."""
    shown_values = [0.0] * max(0, width - len(values)) + list(values[max(0, len(values) - width) :])
    top = max(shown_values, default=0.0)
    if top <= 0:
        return BLOCKS[0] * width
    return "".join(BLOCKS[min(7, int(value / top * 7.999))] for value in shown_values)
