"""Why a file is as it is: a window above a screen."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from treeledger.answers import FileExplanation
from treeledger.names import shown
from treeledger.tui.file_texts import explained
from treeledger.tui.widgets.keys import Keys
from treeledger.tui.widgets.pane import Pane


class Explained(ModalScreen[None]):
    """The facts of one file."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,e,q", "app.pop_screen", "Close", key_display="esc")
    ]

    def __init__(self, facts: FileExplanation, now: datetime) -> None:
        super().__init__()
        self._facts = facts
        self._now = now

    def compose(self) -> ComposeResult:
        yield Pane(id="explained")
        yield Keys()

    def on_mount(self) -> None:
        pane = self.query_one("#explained", Pane)
        pane.show(lambda width: explained(self._facts, width, self._now))
        self.call_after_refresh(pane.entitle, shown(self._facts.path or self._facts.root))
