"""Lines of pieces on the screen: what every widget of the dashboard draws with."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from treeledger.tui.texts import Line, Tone
from treeledger.tui.theme import COLOURS

_FRAME: Final = 6  # cells of a frame's top edge that no title takes: two corners, two edges, two spaces


class Toned(Widget):
    """Has a colour for each tone, and a frame with a title at either end."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"tone-{tone}" for tone in Tone), "chosen"}
    DEFAULT_CSS = "\n".join(
        [
            "Toned > .chosen { background: $chosen; }",
            *(f"Toned > .tone-{tone} {{ color: {colour}; }}" for tone, colour in COLOURS.items()),
        ]
    )

    def strip(self, line: Line, width: int, *, chosen: bool = False) -> Strip:
        """A line in exactly so many cells."""
        ground = Style(bgcolor=self.get_component_rich_style("chosen").bgcolor) if chosen else Style()
        segments = [
            Segment(text, self.get_component_rich_style(f"tone-{tone}") + ground) for text, tone in line
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style + ground)

    def entitle(self, left: str, right: str = "") -> None:
        """The frame's title, and what stands at the other end of its top edge."""
        room = self.outer_size.width - _FRAME - len(left) - len(right) - 2
        if not right or room < 1:
            self.border_title = Content(left)
            return
        edge = ("─" * room, "not bold $frame")
        self.border_title = Content.assemble(left, " ", edge, " ", (right, "not bold $dim"))
