"""Logs: what the engine logs, as it does; by level, searched, frozen, wrapped, and one record in full."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from treeledger.names import shown
from treeledger.tui.choices import following
from treeledger.tui.log_texts import LEVELS, LogTable, Tail, facts_of, hits, message, of_level, where_line
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.following import FollowingPage
from treeledger.tui.screens.told import Told
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.wire_events import LogRecord

_AT_ONCE: Final = 1000  # records


class LogsPage(FollowingPage):
    """The last records, the newest at the end; asked for while this is on the screen, and only then."""

    name_of_mode = "logs"
    every = 0.5
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="enter", id="logs.open", tooltip="all of a record"),
        Binding("l", "level", "Level", id="logs.level", tooltip="info, warning, error, debug and above"),
        Binding("slash", "search", "Search", key_display="/", id="logs.search", tooltip="marks what has it"),
        Binding("n", "find(1)", "Next", id="logs.next", tooltip="record that has what is searched for"),
        Binding("N", "find(-1)", "Previous", show=False, id="logs.previous", tooltip="record that has it"),
        Binding("f", "freeze", "Freeze", id="logs.freeze", tooltip="or follow"),
        Binding("w", "wrap", "Wrap", id="logs.wrap", tooltip="long lines"),
        Binding("y", "copy", "Copy", show=False, id="logs.copy", tooltip="the record's line"),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.tail = Tail()
        self._frozen: Tail | None = None
        self._began: datetime | None = None  # when the engine was started that is read from
        self._level = "info"
        self._search = ""
        self._is_wrapped = False
        self._follows = True  # the newest is chosen, and stays so
        self._table = LogTable((), (), "", False, datetime.max)

    def body(self) -> Iterable[Widget]:
        yield Listing(id="log")
        yield Input(placeholder="what to search for", id="search", compact=True)
        yield Pane(id="where")

    def on_mount(self) -> None:
        self.query_one("#log").focus()

    async def read(self) -> None:
        """Whatever came since it was asked last."""
        status = self.dashboard.snapshot.status
        if status is not None and status.started_at != self._began:
            self.tail = self.tail if self._began is None else self.tail.of_another_run()
            self._began = status.started_at
        while True:
            client = self.dashboard.source.client
            page = await client.logs(level="debug", after=self.tail.after, limit=_AT_ONCE)
            self.tail = self.tail.grown(page)
            if len(page.items) < _AT_ONCE:
                return

    # what is shown

    @property
    def records(self) -> list[LogRecord]:
        """Those of the level that is wanted."""
        return of_level((self._frozen or self.tail).records, self._level)

    @property
    def chosen(self) -> LogRecord | None:
        key = self.query_one("#log", Listing).key
        n = key[0] if isinstance(key, tuple) else None
        return next((one for one in self.records if one.n == n), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        listing, records = self.query_one("#log", Listing), self.records
        width = listing.content_size.width
        self._follows = listing.place >= len(self._table) - 1  # whoever went up wants to read
        self._table = LogTable.of(records, now, width, search=self._search, wrap=self._is_wrapped)
        listing.show(self._table)
        if self._follows:
            listing.action_last()
        listing.entitle(self._title(records), self.trouble or self._mode())
        self.query_one("#where", Pane).show(lambda width: (where_line(self.tail, width),))

    def _title(self, records: list[LogRecord]) -> str:
        title = "Log" if self._level == "debug" else f"Log  {self._level} and above"
        if not self._search:
            return title
        found, one = hits(records, self._search), self.chosen
        places = [number for number, place in enumerate(found, 1) if records[place] is one]
        count = f"{places[0]:,} of {len(found):,}" if places else f"{len(found):,} found"
        return f"{title}  /{shown(self._search)}  {count}"

    def _mode(self) -> str:
        if self._frozen is None:
            return "live  f freezes" if self._follows else "end goes on"
        known = self._frozen.after
        new = sum(one.n > known for one in of_level(self.tail.records, self._level))
        return f"frozen, {new} new  f goes on"

    @on(Listing.Moved, "#log")
    def _another(self) -> None:
        self.show_again()

    # what a person asks for

    @on(Listing.Opened, "#log")
    def action_open(self) -> None:
        if (one := self.chosen) is not None:
            self.app.push_screen(Told("Record of the log", facts_of(one)))

    def action_level(self) -> None:
        circle = (*LEVELS[1:], LEVELS[0])
        self._level = following(self._level, circle)
        self.show_again()

    def action_freeze(self) -> None:
        self._frozen = self.tail if self._frozen is None else None
        self.show_again()

    def action_wrap(self) -> None:
        self._is_wrapped = not self._is_wrapped
        self.show_again()

    def action_copy(self) -> None:
        if (one := self.chosen) is not None:
            self.dashboard.to_clipboard(
                f"{one.ts.astimezone():%Y-%m-%d %H:%M:%S} {one.level.upper():<7} {message(one)}"
            )

    def action_search(self) -> None:
        entry = self.query_one("#search", Input)
        entry.display = True
        entry.focus()

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self._search = event.value
        self.action_find(-1, is_here_enough=True)

    @on(Input.Submitted, "#search")
    def _leave_search(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#log").focus()

    def action_find(self, by: int, is_here_enough: bool = False) -> None:
        """Goes to the next record that has what is searched for, or the one before, around the ends."""
        listing, records = self.query_one("#log", Listing), self.records
        found, one = hits(records, self._search), self.chosen
        if found:
            here = next((place for place, record in enumerate(records) if record is one), len(records))
            if not (is_here_enough and here in found):
                behind = [place for place in found if (place - here) * by > 0]
                place = (behind or found)[0 if by > 0 else -1]
                listing.move_to(self._table.row_of(place))
        self.show_again()

    def action_back(self) -> None:
        entry = self.query_one("#search", Input)
        if entry.display or entry.value:
            entry.value = ""
            self._leave_search()
        else:
            self.app.switch_mode("home")
