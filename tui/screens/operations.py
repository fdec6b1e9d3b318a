"""Operations: what runs, what ran, and one of them in full."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from treeledger import wire
from treeledger.api.routing import Page as Listed
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui.details import as_it_was
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.operation_texts import OperationTable, in_order, operation_lines, progress_of
from treeledger.tui.screens.operation import OperationPage
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import begin

_PAGE: Final = 100
_NEAR: Final = 20  # rows before the end at which the next page is asked for


class OperationsPage(Page):
    """The history, without the bursts of changes unless they are asked for, and one operation in full."""

    name_of_mode = "operations"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "open",
            "Open",
            key_display="enter",
            id="operations.open",
            tooltip="alone, with every problem that it met, and what to do",
        ),
        Binding(
            "b",
            "bursts",
            "Bursts of changes",
            id="operations.bursts",
            tooltip="lists them as well, or only what was asked for",
        ),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._bursts = False
        self._older: list[wire.Operation] = []
        self._next: str | None = None
        self._is_read = False
        self._rows = 0

    def body(self) -> Iterable[Widget]:
        yield Container(Listing(id="operations", follows=True), Pane(id="operation"), id="both")

    def on_mount(self) -> None:
        self.query_one("#operations").focus()

    @property
    def chosen(self) -> wire.Operation | None:
        key = self.query_one("#operations", Listing).key
        live = self.dashboard.snapshot.operations
        return next((one for one in (*live, *self._older) if one.id == key), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        if snapshot.link is not Link.HERE:
            self._is_read = False  # what ran meanwhile is asked for once it is back
        elif not self._is_read:
            self._read(None)
        listing = self.query_one("#operations", Listing)
        operations = in_order(snapshot.operations, self._older, bursts=self._bursts)
        listing.show(OperationTable(snapshot, operations, now))
        self._rows = len(operations)
        running = sum(one.ended is None for one in operations) if snapshot.link is Link.HERE else 0
        title = f"Operations: {running} running" if running else "Operations"
        listing.entitle(title, as_it_was(snapshot, now) or ("with bursts of changes" if self._bursts else ""))
        one = self.chosen
        progress = None if one is None else progress_of(snapshot, one)
        pane = self.query_one("#operation", Pane)
        pane.show(lambda width: operation_lines(one, progress, width, now))
        pane.entitle("" if one is None else f"Operation {one.id}  {shown(one.repository)}  {shown(one.type)}")

    def _read(self, after: str | None) -> None:
        """Has the history read on from there."""
        self._is_read = True
        begin(self, self._learn, after, group="history", exclusive=True)

    async def _learn(self, after: str | None) -> None:
        bursts = None if self._bursts else "false"
        try:
            page = await self.dashboard.source.client.get(
                "/api/operations", Listed[wire.Operation], bursts=bursts, after=after, limit=_PAGE
            )
        except TreeledgerError as error:
            self.log.warning(shown(str(error)))  # asked for again once the engine is back
            self._next = after  # and by whoever goes on
            return
        self._older = [*(self._older if after else ()), *page.items]
        self._next = page.next
        self.show_again()

    @on(Listing.Moved, "#operations")
    def _another(self) -> None:
        listing = self.query_one("#operations", Listing)
        if self._next is not None and listing.place + _NEAR > self._rows:
            after, self._next = self._next, None
            self._read(after)
        self.show_again()

    @on(Listing.Opened, "#operations")
    def action_open(self) -> None:
        """Shows one alone, with the problems that were seen while it ran."""
        if (one := self.chosen) is not None:
            self.app.push_screen(OperationPage(one))

    def action_bursts(self) -> None:
        self._bursts = not self._bursts
        self._older, self._next, self._is_read = [], None, False
        self.show_again()

    def action_back(self) -> None:
        self.app.switch_mode("home")
