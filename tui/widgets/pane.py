"""A few lines that are drawn anew with each snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.geometry import Size
from textual.strip import Strip

from treeledger.tui.texts import Line
from treeledger.tui.widgets.toned import Toned

Draw = Callable[[int], Sequence[Line]]
"""The lines in so many cells."""


class Pane(Toned, can_focus=False):
    """Shows what is drawn for the width that it has."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._draw: Draw = lambda width: ()
        self._lines: Sequence[Line] = ()
        self._drawn_for = Size(0, 0)

    @property
    def lines(self) -> Sequence[Line]:
        """As they are shown now."""
        return self._lines

    def show(self, draw: Draw) -> None:
        """Has this drawn from now on."""
        self._draw = draw
        size = self.content_size
        if not size:
            return  # drawn as soon as there is room
        before, was_for = self._lines, self._drawn_for
        self._lines, self._drawn_for = draw(size.width), size
        if (self._lines, size) != (before, was_for):
            self.refresh()

    def render_line(self, y: int) -> Strip:
        size = self.content_size
        if size != self._drawn_for:
            self._lines, self._drawn_for = self._draw(size.width), size
        return self.strip(self._lines[y] if y < len(self._lines) else (), size.width)
