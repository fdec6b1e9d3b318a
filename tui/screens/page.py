"""What every screen has: the tabs above, the status and the keys below, and a body between."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from treeledger.tui.details import status_line
from treeledger.tui.model import Snapshot
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from treeledger.tui.app import Dashboard

TABS: Final = (("home", "Home"), ("operations", "Operations"), ("files", "Files"), ("attention", "Attention"))


def tab_line(chosen: str, decisions: int) -> Line:
    """The names of the screens, with how much waits for a decision."""
    line = [Piece(" treeledger ", Tone.STRONG)]
    for number, (name, title) in enumerate(TABS, 1):
        line.append(Piece(f"  {number} {title}", Tone.STRONG if name == chosen else Tone.DIM))
        if name == "attention" and decisions:
            line.append(Piece(f" ■{decisions}", Tone.BAD))
    return tuple(line)


class Tabs(Pane):
    """Names the screens; a click on one opens it."""

    def on_click(self, event: events.Click) -> None:
        page = cast(Page, self.screen)
        end = 0
        for piece in tab_line(page.name_of_mode, page.dashboard.snapshot.decisions):
            end += len(piece.text)
            if event.x < end:
                number = piece.text.strip().partition(" ")[0]
                if number.isdecimal():
                    self.app.switch_mode(TABS[int(number) - 1][0])
                return


class Page(Screen[None]):
    """A screen that is a function of the snapshot."""

    name_of_mode: ClassVar[str]

    @property
    def dashboard(self) -> Dashboard:
        return cast("Dashboard", self.app)

    def compose(self) -> ComposeResult:
        yield Tabs(id="tabs")
        yield from self.body()
        yield Pane(id="status")
        yield Footer(compact=True, show_command_palette=False)

    def body(self) -> Iterable[Widget]:
        """The widgets between tabs and status."""
        raise NotImplementedError

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """Shows what is known now."""
        self.query_one("#tabs", Pane).show(lambda width: (tab_line(self.name_of_mode, snapshot.decisions),))
        status = partial(status_line, snapshot, is_own=self.dashboard.is_own)
        self.query_one("#status", Pane).show(lambda width: (status(width),))
        self.fill(snapshot, now)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        """As `show`, for the body."""
        raise NotImplementedError

    def show_again(self) -> None:
        """After something that a person chose."""
        self.show(self.dashboard.snapshot, self.dashboard.now())

    def on_screen_resume(self) -> None:
        self.show_again()

    def on_resize(self) -> None:
        self.call_after_refresh(self.show_again)
