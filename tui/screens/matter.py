"""One thing that waits, alone: what it is, and all that it is made of, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from treeledger import wire
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui import matters
from treeledger.tui.matter_tables import table_of
from treeledger.tui.matter_texts import key_lines, summary
from treeledger.tui.matters import HeldMatter, Matter
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.deciding import Deciding
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.tui.waiting_texts import name
from treeledger.tui.widgets.approval import Approval
from treeledger.tui.widgets.keyed import KeyedPane
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.working import begin

_NEAR: Final = 20  # rows before the end at which the next page is asked for
_FRAME: Final = 2  # lines


class MatterPage(Deciding):
    """`one` is what it is about. Files and jobs are decided one by one, by the chosen row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back", key_display="esc"),
    ]

    def __init__(self, one: wire.Waiting, matter: Matter | None) -> None:
        super().__init__()
        self._one = one
        self._is_reading_on = False
        if matter is not None:
            self._learnt[one.key] = None, matter

    def body(self) -> Iterable[Widget]:
        yield KeyedPane(id="about")
        yield Listing(id="rows")
        yield Approval()

    def on_mount(self) -> None:
        self.focus_rows()

    def focus_rows(self) -> None:
        self.query_one("#rows").focus()

    @property
    def chosen(self) -> wire.Waiting | None:
        found = self.dashboard.snapshot.waiting
        return next((one for one in found if one.key == self._one.key), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self.draw()
        self.learn()
        self.refresh_bindings()

    def draw(self) -> None:
        now, one = self.dashboard.now(), self.chosen
        matter = self._learnt[self._one.key][1] if self._one.key in self._learnt else None
        about, rows = self.query_one("#about", KeyedPane), self.query_one("#rows", Listing)
        about.entitle(name(self._one))
        draw = partial(_about, one or self._one, matter, now, is_over=one is None)
        about.styles.height = len(draw(max(20, self.size.width - 4))) + _FRAME
        about.show(draw)
        rows.display = matter is not None
        if matter is not None:
            table = table_of(matter, now)
            rows.show(table)
            rows.entitle(_ROWS[type(matter)], "" if isinstance(matter, HeldMatter) else _TAKES_ONE)

    @on(Listing.Moved, "#rows")
    def _another(self) -> None:
        one, matter = self.chosen, self.matter
        rows = self.query_one("#rows", Listing)
        if one is None or matter is None or isinstance(matter, HeldMatter) or matter.next is None:
            return
        if rows.place + _NEAR > len(table_of(matter, self.dashboard.now())) and not self._is_reading_on:
            self._is_reading_on = True
            begin(self, self._more, one, matter)

    async def _more(self, one: wire.Waiting, matter: Matter) -> None:
        try:
            longer = await matters.with_more(self.dashboard.source.client, one, matter)
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
        else:
            self._learnt[one.key] = self._known(one), longer
            self.draw()
        finally:
            self._is_reading_on = False

    # with one row

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return False if action == "open" else super().check_action(action, parameters)

    @property
    def _key(self) -> str | int | None:
        key = self.query_one("#rows", Listing).key
        return key if isinstance(key, str | int) else None

    def action_accept(self) -> None:
        one, path = self.chosen, self._key
        if one is not None and one.repository is not None and isinstance(path, str):
            text = (
                f"What {shown(path)} holds now becomes what it ought to hold: its good hash is forgotten. It"
                " is read once more."
            )
            what = partial(Client.accept, repository=one.repository, paths=[path])
            self.ask("Accept it?", text, what, f"{path}: accepted as it is now")

    def action_retry(self) -> None:
        if isinstance(id := self._key, int):
            self.dashboard.work(partial(Client.retry_jobs, ids=[id]), f"job {id} is tried again now")

    def action_clear(self) -> None:
        if isinstance(id := self._key, int):
            text = f"Job {id} is dropped: what it was to do is never done."
            self.ask("Clear it?", text, partial(Client.clear_jobs, ids=[id]), f"job {id} is dropped")

    def action_copy(self) -> None:
        one, path = self.chosen, self._key
        if one is not None and isinstance(path, str):
            self.to_clipboard(one, [path])


_ROWS: Final = {
    matters.HeldMatter: "Folders",
    matters.CorruptedMatter: "Files",
    matters.DeadMatter: "Jobs",
}
_TAKES_ONE: Final = "keys take the chosen one"


def _about(
    one: wire.Waiting, matter: Matter | None, now: datetime, width: int, *, is_over: bool
) -> list[Line]:
    if is_over:
        return [(Piece("This waits no longer: it was decided, or is over by itself.", Tone.GOOD),)]
    keys = key_lines(one, matter, width) if matter is None or isinstance(matter, HeldMatter) else []
    return [*summary(one, matter, width, now), *keys]
