"""One operation alone: its counts, and every problem that was seen while it ran, with what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from treeledger import wire
from treeledger.api.routing import Page as Listed
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.file_details import copyable
from treeledger.tui.model import Snapshot
from treeledger.tui.operation_texts import operation_lines, progress_of
from treeledger.tui.problem_texts import ProblemTable, met_by, problem_lines, summary
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import begin

_PAGE: Final = 1000
_MOST: Final = 20_000  # problems that are held here
_FRAME: Final = 2  # lines
_ADVICE: Final = 4  # lines for one problem


class OperationPage(Page):
    """`one` is as it was when it was opened; as long as it runs, it is shown as it is."""

    name_of_mode = "operations"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy path", id="operation.copy"),
        Binding("escape", "app.pop_screen", "Back", key_display="esc"),
    ]

    def __init__(self, one: wire.Operation) -> None:
        super().__init__()
        self._one = one
        self._met: list[wire.Problem] = []
        self._is_all = False
        self._mark: object = None
        self._is_reading = False

    def body(self) -> Iterable[Widget]:
        yield Pane(id="ran")
        yield Listing(id="problems")
        yield Pane(id="advice")

    def on_mount(self) -> None:
        self.query_one("#problems").focus()

    @property
    def chosen(self) -> wire.Problem | None:
        """The problem that is chosen."""
        key = self.query_one("#problems", Listing).key
        return next((one for one in self._met if (one.path, one.code) == key), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self._one = next((one for one in snapshot.operations if one.id == self._one.id), self._one)
        one, progress = self._one, progress_of(snapshot, self._one)
        about = self.query_one("#ran", Pane)
        draw = partial(operation_lines, one, progress, now=now, is_open=True)
        about.styles.height = len(draw(max(20, self.size.width - 4))) + _FRAME
        about.show(draw)
        about.entitle(f"Operation {one.id}  {shown(one.repository)}  {shown(one.type)}")
        problems = self.query_one("#problems", Listing)
        problems.show(ProblemTable(self._met, now))
        problems.entitle(f"Problems: {summary(one, self._met, is_all=self._is_all)}")
        self._advise()
        mark = one.ended, (progress or one).problems
        if mark != self._mark and not self._is_reading:
            self._mark, self._is_reading = mark, True
            begin(self, self._learn, one)

    def _advise(self) -> None:
        problem, advice = self.chosen, self.query_one("#advice", Pane)
        advice.display = problem is not None
        if problem is not None:
            advice.show(lambda width: problem_lines(problem, width, _ADVICE))
            advice.entitle(texts.elided(shown(problem.path) or "(all of it)", max(1, self.size.width - 6)))

    async def _learn(self, one: wire.Operation) -> None:
        """Reads the problems of its repository, and shows those that fit as they come."""
        met: list[wire.Problem] = []
        after: str | None = None
        try:
            client = self.dashboard.source.client
            while len(met) < _MOST:
                page = await client.get(
                    "/api/problems",
                    Listed[wire.Problem],
                    repository=one.repository,
                    after=after,
                    limit=_PAGE,
                )
                met += met_by(one, page.items)
                if (after := page.next) is None:
                    break
                if len(met) > len(self._met):
                    self._met = list(met)
                    self.show_again()
            self._met, self._is_all = met, after is None
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
        finally:
            self._is_reading = False
        self.show_again()

    @on(Listing.Moved, "#problems")
    def _another(self) -> None:
        self._advise()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "copy" or (self.is_mounted and self.chosen is not None)

    def action_copy(self) -> None:
        repository = self.dashboard.snapshot.repository(self._one.repository)
        if (problem := self.chosen) is not None and repository is not None:
            self.dashboard.to_clipboard(copyable(repository.root, problem.path))
