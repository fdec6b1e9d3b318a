"""What is asked before something is done: windows above a screen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DirectoryTree, Footer, Input, Static


class Confirm(ModalScreen[bool]):
    """Asks whether to do something; enter does it, esc does not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "answer(True)", "Yes", key_display="enter"),
        Binding("escape,n", "answer(False)", "No", key_display="esc"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        box = Vertical(Static(Content(self._text)), classes="question")
        box.border_title = self._title
        yield box
        yield Footer(compact=True, show_command_palette=False)

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Folders(DirectoryTree):
    """Folders only, without hidden ones."""

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and path.is_dir()]


class ChooseFolder(ModalScreen[str | None]):
    """Asks for a folder: typed, or picked in the tree below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", key_display="esc"),
        Binding("tab", "app.focus_next", "Tree / path", show=True),
    ]

    def __init__(self, begin: Path) -> None:
        super().__init__()
        self._begin = begin

    def compose(self) -> ComposeResult:
        entry = Input(str(self._begin), id="path", compact=True)
        box = Vertical(entry, Folders(self._begin), classes="question tall")
        box.border_title = "Take a folder under care"
        box.border_subtitle = "enter takes it"
        yield box
        yield Footer(compact=True, show_command_palette=False)

    @on(DirectoryTree.DirectorySelected)
    def _picked(self, event: DirectoryTree.DirectorySelected) -> None:
        self.query_one("#path", Input).value = str(event.path)

    @on(Input.Submitted, "#path")
    def _taken(self, event: Input.Submitted) -> None:
        self.dismiss(event.value or None)

    def action_leave(self) -> None:
        self.dismiss(None)
