"""Attention: everything that waits for a decision or a repair, one of it in full, the keys that decide."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from treeledger import wire
from treeledger.tui.details import as_it_was
from treeledger.tui.matter_texts import preview
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.deciding import OVER, Deciding
from treeledger.tui.screens.matter import MatterPage
from treeledger.tui.waiting_texts import WaitingTable, in_order, name, title
from treeledger.tui.widgets.approval import Approval
from treeledger.tui.widgets.keyed import KeyedPane
from treeledger.tui.widgets.listing import Listing

_AROUND: Final = 3  # lines of a frame with a heading


class AttentionPage(Deciding):
    """What waits, and the chosen one of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *Deciding.BINDINGS,
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def body(self) -> Iterable[Widget]:
        yield Container(Listing(id="waiting"), KeyedPane(id="matter"), id="both")
        yield Approval()

    def on_mount(self) -> None:
        self.focus_rows()

    def focus_rows(self) -> None:
        self.query_one("#waiting").focus()

    @property
    def chosen(self) -> wire.Waiting | None:
        key = self.query_one("#waiting", Listing).key
        return next((one for one in self.dashboard.snapshot.waiting if one.key == key), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self.forget(snapshot)
        waiting = self.query_one("#waiting", Listing)
        is_wide = self.has_class("-wide")
        waiting.styles.height = "100%" if is_wide else max(1, len(snapshot.waiting)) + _AROUND
        waiting.show(WaitingTable(in_order(snapshot.waiting), now))
        known = "Attention" if snapshot.status is None else title(snapshot.waiting)
        waiting.entitle(known, lambda: as_it_was(snapshot, now) or waiting.whereabouts)
        self.draw()
        self.learn()
        self.refresh_bindings()

    def draw(self) -> None:
        one, matter, now = self.chosen, self.matter, self.dashboard.now()
        pane = self.query_one("#matter", KeyedPane)
        pane.show(lambda width: preview(one, matter, (width, pane.content_size.height), now))
        is_known = self.dashboard.snapshot.status is not None
        pane.entitle(name(one) if one is not None else "Nothing waits" if is_known else "")

    @on(Listing.Moved, "#waiting")
    def _another(self) -> None:
        if self.query_one(Approval).display:
            self.query_one(Approval).action_leave()
            self.notify(OVER, markup=False)
        self.show_again()

    @on(Listing.Opened, "#waiting")
    def action_open(self) -> None:
        """Shows the chosen one alone, with all that it is made of."""
        if (one := self.chosen) is not None:
            self.app.push_screen(MatterPage(one, self.matter))

    def action_back(self) -> None:
        self.app.switch_mode("home")
