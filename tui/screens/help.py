"""Help: what every key does on the screen that is open."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from treeledger.tui.commands import Known
from treeledger.tui.widgets.keys import Keys
from treeledger.tui.widgets.scrolled import Scrolled
from treeledger.tui.working import Ending


class Help(Ending, ModalScreen[None]):
    """A list of keys; whatever closes a window closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "app.pop_screen", "Close", key_display="esc")
    ]

    def __init__(self, title: str, keys: list[Known]) -> None:
        super().__init__()
        self._title = title
        self._keys = keys

    def compose(self) -> ComposeResult:
        wide = max((len(one.keys) for one in self._keys), default=0)
        lines = (
            Content.assemble(
                (f"{one.keys:>{wide}}", "bold $primary"),
                f"  {one.title}",
                (f"  {one.help}" if one.help else "", "$dim"),
            )
            for one in self._keys
        )
        box = Scrolled(Static(Content("\n").join(lines)), classes="question")
        box.border_title = self._title
        yield box
        yield Keys()
