"""What is asked before something is done: windows above a screen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DirectoryTree, Input, Static
from textual.widgets.directory_tree import DirEntry
from textual.widgets.tree import TreeNode

from treeledger.names import shown, stored_from_os
from treeledger.tui.beside import Beside
from treeledger.tui.widgets.keys import Keys
from treeledger.tui.widgets.scrolled import Scrolled
from treeledger.tui.working import Ending, begin


class Confirm(Ending, ModalScreen[bool]):
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
        box = Scrolled(Static(Content(self._text)), classes="question")
        box.border_title = self._title
        yield box
        yield Keys()

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Folders(DirectoryTree):
    """Folders only, without hidden ones."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.take", "Take it", key_display="enter"),
        Binding("right,space", "toggle_node", "Open", key_display="right"),
        Binding("left,u", "up", "Up", key_display="left", tooltip="to the folder above"),
    ]

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and os.path.isdir(path)]

    def render_label(self, node: TreeNode[DirEntry], base_style: Style, style: Style) -> Text:
        mark = self.ICON_NODE_EXPANDED if node.is_expanded else self.ICON_NODE
        path = Path(self.path) if node.data is None else node.data.path
        name = str(path) if node.is_root else path.name
        return Text.assemble((mark, base_style), (_name(Path(name)), style))

    def action_up(self) -> None:
        self.path = Path(self.path).parent


def _name(path: Path) -> str:
    """A folder as it can be shown on one line."""
    return shown(stored_from_os(str(path)))


class ChooseFolder(Ending, ModalScreen[str | None]):
    """Asks for a folder: typed, or picked in the tree below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", key_display="esc"),
        Binding("tab", "app.focus_next", "Path / folders", show=True),
    ]

    def __init__(self, begin: Path) -> None:
        super().__init__()
        self._begin = begin
        self._paths = {_name(begin): str(begin)}  # by what is shown of it, which may be less

    def compose(self) -> ComposeResult:
        entry = Input(_name(self._begin), id="path", compact=True)
        box = Vertical(entry, Folders(self._begin), classes="question tall")
        box.border_title = "Take a folder under care"
        box.border_subtitle = "enter takes the folder in the first line"
        yield box
        yield Keys()

    @on(Input.Changed, "#path")
    def _typed(self, event: Input.Changed) -> None:
        """The tree shows the folder that is typed, as soon as there is one."""
        if self.query_one("#path").has_focus and event.value:
            begin(self, self._look, os.path.expanduser(event.value), exclusive=True)

    async def _look(self, folder: str) -> None:
        """Beside the dashboard: a mount that hangs would have it hang. Given up once another one is typed."""
        is_there = await Beside().do(partial(os.path.isdir, folder))
        tree = self.query_one(Folders)
        if is_there and Path(folder) != tree.path:
            tree.path = folder

    @on(Folders.NodeHighlighted)
    def _picked(self, event: Folders.NodeHighlighted[DirEntry]) -> None:
        if self.query_one(Folders).has_focus and event.node.data is not None:
            entry, path = self.query_one("#path", Input), event.node.data.path
            entry.value = _name(path)
            self._paths = {entry.value: str(path)}
            entry.action_end()  # of a path that is longer than the line, the end tells most

    @on(Input.Submitted, "#path")
    def action_take(self) -> None:
        typed = self.query_one("#path", Input).value
        self.dismiss(self._paths.get(typed, typed) or None)

    def action_leave(self) -> None:
        self.dismiss(None)
