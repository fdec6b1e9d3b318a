"""What every screen has: the tabs above, the status and the keys below, and a body between."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from treeledger.tui.details import status_line
from treeledger.tui.model import Snapshot
from treeledger.tui.pages import PLACES, tab_line, tabs
from treeledger.tui.room import is_enough, too_small
from treeledger.tui.widgets.keys import Keys
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import Ending

if TYPE_CHECKING:
    from treeledger.tui.app import Dashboard


class Tabs(Pane):
    """Names the screens; a click on one opens it."""

    def on_click(self, event: events.Click) -> None:
        page, end = cast(Page, self.screen), 0
        for tab in tabs(page.name_of_mode, page.dashboard.snapshot.decisions, self.content_size.width):
            end += sum(cell_len(piece.text) for piece in tab.pieces)
            if event.x < end:
                if tab.name:
                    self.app.switch_mode(tab.name)
                return


class Page(Ending, Screen[None]):
    """A screen that is a function of the snapshot."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (130, "-wide")]  # noqa: RUF012 - as Screen declares it
    name_of_mode: ClassVar[str]
    _engine: datetime | None = None  # that answered when it was shown last

    @property
    def title_of_page(self) -> str:
        return next(place.title for place in PLACES if place.name == self.name_of_mode)

    @property
    def dashboard(self) -> Dashboard:
        return cast("Dashboard", self.app)

    def compose(self) -> ComposeResult:
        yield Tabs(id="tabs")
        yield from self.body()
        yield Pane(id="status")
        yield Keys()
        yield Pane(id="too-small")

    def meets_engine(self, snapshot: Snapshot) -> bool:
        """Whether an engine answers that did not in the snapshot before: what was read may not be so now."""
        before, self._engine = self._engine, snapshot.engine
        return snapshot.engine not in (None, before)

    def body(self) -> Iterable[Widget]:
        """The widgets between tabs and status."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.show_again()

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """Shows what is known now, once there is something to show it in."""
        if not self.query("#status"):
            return
        line = partial(tab_line, self.name_of_mode, snapshot.decisions)
        self.query_one("#tabs", Pane).show(lambda width: (line(width),))
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
        self.set_class(not is_enough(self.app.size), "-too-small")
        self.query_one("#too-small", Pane).show(lambda width: too_small(self.app.size))
        self.call_after_refresh(self.show_again)
