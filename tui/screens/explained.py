"""All about a file, and why it is as it is: a window above a screen."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from treeledger.answers import FileExplanation
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui.browsing import copies_of
from treeledger.tui.file_details import Detail, copyable, detail_lines
from treeledger.tui.texts import elided
from treeledger.tui.widgets.keys import Keys
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import Ending, begin

if TYPE_CHECKING:
    from treeledger.tui.app import Dashboard

_EDGES = 8  # cells of the frame's top edge that no title takes


class Explained(Ending, ModalScreen[None]):
    """The facts of one file, and a moment later where else its content is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,e,q", "app.pop_screen", "Close", key_display="esc"),
        Binding("y", "copy", "Copy path"),
    ]

    def __init__(self, facts: FileExplanation, now: datetime) -> None:
        super().__init__()
        self._detail = Detail(facts)
        self._now = now

    def compose(self) -> ComposeResult:
        yield VerticalScroll(Pane(id="facts"), id="explained")
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#explained").focus()
        begin(self, self._compare)
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        box, pane, facts = self.query_one("#explained"), self.query_one("#facts", Pane), self._detail.facts
        box.border_title = Content(elided(shown(facts.path or facts.root), max(1, box.size.width - _EDGES)))
        lines = detail_lines(self._detail, pane.content_size.width or box.content_size.width, self._now)
        pane.styles.height = len(lines)
        pane.show(lambda width: detail_lines(self._detail, width, self._now))

    async def _compare(self) -> None:
        client = cast("Dashboard", self.app).source.client
        try:
            copies = await copies_of(client, self._detail.facts)
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
        else:
            self._detail = self._detail._replace(copies=copies)
            self._show()

    def action_copy(self) -> None:
        facts = self._detail.facts
        cast("Dashboard", self.app).to_clipboard(copyable(facts.root, facts.path))
