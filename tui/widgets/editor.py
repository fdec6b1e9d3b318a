"""A text to edit, line by line."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import TextArea


class Editor(TextArea):
    """Left by esc, which its screen sees to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.back", "Leave", key_display="esc"),
    ]

    def hold(self, text: str) -> None:
        """Edits this text from now on, from its end; what it holds already stays as it is."""
        if self.text != text:
            self.load_text(text)
            self.move_cursor(self.document.end)
