"""All that is known of one thing, however long: a window above a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from treeledger.names import shown
from treeledger.tui.widgets.keys import Keys
from treeledger.tui.widgets.scrolled import Scrolled
from treeledger.tui.working import Ending


class Told(Ending, ModalScreen[None]):
    """Facts by name, each in as many lines as it has."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "app.pop_screen", "Close", key_display="esc"),
        Binding("y", "copy", "Copy", tooltip="all of it"),
    ]

    def __init__(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._facts = [(name, "\n".join(map(shown, text.splitlines()))) for name, text in facts]

    def compose(self) -> ComposeResult:
        lines = [
            Content.assemble((f"{name}\n" if "\n" in text else f"{name}  ", "$dim"), text)
            for name, text in self._facts
        ]
        box = Scrolled(Static(Content("\n").join(lines)), classes="question told")
        box.border_title = Content(self._title)
        yield box
        yield Keys()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(f"{name}: {text}" for name, text in self._facts))
        self.notify("copied", markup=False)
