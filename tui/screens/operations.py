"""Operations: what runs, what ran, and one of them with the problems that it met."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from treeledger import wire
from treeledger.api.routing import Page as Listed
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui.model import Snapshot
from treeledger.tui.operation_texts import OperationTable, operation_lines, progress_of
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane

_WORK: Final = frozenset(("startup", "reconciliation", "manual", "scrub"))


class OperationsPage(Page):
    """The history, and one operation in full."""

    name_of_mode = "operations"
    CSS_PATH = "operations.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Problems", key_display="enter", id="operations.open"),
        Binding("b", "bursts", "Bursts too", id="operations.bursts"),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._with_bursts = True
        self._problems: tuple[int | None, list[wire.Problem]] = (None, [])

    def body(self) -> Iterable[Widget]:
        yield Listing(id="operations", follows=True)
        yield Pane(id="operation")

    def on_mount(self) -> None:
        self.query_one("#operations").focus()

    @property
    def chosen(self) -> wire.Operation | None:
        key = self.query_one("#operations", Listing).key
        return next((one for one in self.dashboard.snapshot.operations if one.id == key), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        seen = [one for one in snapshot.operations if self._with_bursts or one.type in _WORK]
        listing = self.query_one("#operations", Listing)
        listing.show(OperationTable(snapshot, seen, now))
        listing.entitle("Operations", "" if self._with_bursts else "without bursts of changes")
        one = self.chosen
        progress = None if one is None else progress_of(snapshot, one)
        of, problems = self._problems
        met = problems if one is not None and of == one.id else []
        pane = self.query_one("#operation", Pane)
        pane.show(lambda width: operation_lines(one, progress, met, (width, pane.content_size.height)))
        pane.entitle("" if one is None else f"Operation {one.id}  {shown(one.repository)}  {shown(one.type)}")

    @on(Listing.Moved, "#operations")
    def _another(self) -> None:
        self.show_again()

    @on(Listing.Opened, "#operations")
    def action_open(self) -> None:
        """Shows the problems that were seen last while it ran."""
        if (one := self.chosen) is not None:
            self.run_worker(self._learn(one), exclusive=True)

    async def _learn(self, one: wire.Operation) -> None:
        try:
            page = await self.dashboard.source.client.get(
                "/api/problems", Listed[wire.Problem], repository=one.repository
            )
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
            return
        met = [
            problem
            for problem in page.items
            if problem.last_seen >= one.started and (one.ended is None or problem.first_seen <= one.ended)
        ]
        self._problems = one.id, met
        if not met:
            self.notify("It met no problem that is still there.", markup=False)
        self.show_again()

    def action_bursts(self) -> None:
        self._with_bursts = not self._with_bursts
        self.show_again()

    def action_back(self) -> None:
        self.app.switch_mode("home")
