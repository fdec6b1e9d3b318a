"""Lines of pieces on the screen: what every widget of the dashboard draws with."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from treeledger.tui.texts import Line, Tone, elided
from treeledger.tui.theme import CHOSEN, COLOURS

Right = str | Callable[[], str]
"""What stands in a frame's top edge; a function, where that depends on the size of the widget."""
_FRAME: Final = 6  # cells of a frame's top edge that no title takes: two corners, two edges, two spaces


class Toned(Widget):
    """Has a colour for each tone, and a frame with a title at either end.

    The colours come from the theme directly: as styles of components there would be one for each tone of each
    widget, which takes half the time of opening a screen.
    """

    _own: Style | None = None
    _title: tuple[str, tuple[Right, ...], str] | None = None
    _entitled: tuple[str, tuple[str, ...], str, int] | None = None

    def notify_style_update(self) -> None:
        self._own = None
        super().notify_style_update()

    @property
    def own_style(self) -> Style:
        """What is drawn on."""
        if self._own is None:
            self._own = self.rich_style
        return self._own

    def strip(self, line: Line, width: int, *, chosen: bool = False) -> Strip:
        """A line in exactly so many cells."""
        colours = self.app.theme_variables
        ground = self.own_style
        if chosen:
            ground += _on(colours[CHOSEN])
        segments = [
            Segment(text, ground + _in(colours[COLOURS[tone]], tone is Tone.STRONG)) for text, tone in line
        ]
        return Strip(segments).adjust_cell_length(width, ground)

    def entitle(self, left: str, *rights: Right, path: str = "") -> None:
        """The frame's title, and what stands at the other end of its top edge: the first that has room.

        Of a `path`, which follows the title, the end is seen however little room there is.
        """
        self._title = left, rights, path
        width = self.outer_size.width
        said = tuple(one if isinstance(one, str) else one() for one in rights)
        entitled = (left, said, path, width)
        if entitled == self._entitled:
            return  # a title that is set draws all anew
        self._entitled = entitled
        if path:
            left = elided(f"{left}  {path}", max(1, width - _FRAME))
        room = width - _FRAME - cell_len(left) - 2
        right = next((one for one in said if cell_len(one) < room), "")
        if not right:
            self.border_title = Content(left)
            return
        edge = ("─" * (room - cell_len(right)), "not bold $frame")
        self.border_title = Content.assemble(left, " ", edge, " ", (right, "not bold $dim"))

    def on_resize(self) -> None:
        """The titles have another room."""
        if self._title is not None:
            left, rights, path = self._title
            self.entitle(left, *rights, path=path)


@lru_cache(maxsize=64)
def _in(colour: str, bold: bool) -> Style:
    """Bold as well, so that a terminal without colours shows what stands out."""
    return Style(color=Color.parse(colour).rich_color, bold=bold)


@lru_cache(maxsize=8)
def _on(colour: str) -> Style:
    return Style(bgcolor=Color.parse(colour).rich_color)
