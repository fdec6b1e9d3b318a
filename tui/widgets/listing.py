"""Rows to choose one of: drawn when they are seen, so there may be millions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from treeledger.tui.tables import Table
from treeledger.tui.texts import Line
from treeledger.tui.widgets.toned import Toned


class Listing(Toned, can_focus=True):
    """Shows a table; the row that is chosen stays so by its key, wherever it goes.

    With `follows`, the first row is the newest and stays in sight until another one is chosen. With
    `heading`, the columns have their titles above them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]

    @dataclass
    class Moved(Message):
        """Another row is chosen."""

        listing: Listing

        @property
        def control(self) -> Listing:
            return self.listing

    class Opened(Moved):
        """The chosen row is to be opened."""

    def __init__(self, *, id: str, follows: bool = False, heading: bool = True) -> None:
        super().__init__(id=id)
        self._follows = follows
        self._above = 1 if heading else 0  # lines above the rows
        self._table: Table | None = None
        self._chosen = 0
        self._key: Hashable | None = None
        self._top = 0
        self._drawn: tuple[object, ...] = ()  # what was last seen

    @property
    def table(self) -> Table | None:
        """What is shown."""
        return self._table

    @property
    def place(self) -> int:
        """Of the row that is chosen, from 0."""
        return self._chosen

    @property
    def key(self) -> Hashable | None:
        """Of the row that is chosen."""
        return self._key

    @property
    def whereabouts(self) -> str:
        """`7 of 20`, for its frame; "" where all rows are seen."""
        rows, room = 0 if self._table is None else len(self._table), self.content_size.height - self._above
        return f"{self._chosen + 1:,} of {rows:,}" if rows > room > 0 else ""

    def show(self, table: Table) -> None:
        """Shows this table from now on."""
        before, self._table = self._key, table
        if self._follows and self._chosen == 0:
            self._choose(0)
        else:
            place = self._place_of(before)
            self._top += place - self._chosen  # what is read stays where it is while rows come above it
            self._choose(place)
        if self._key != before:
            self.post_message(self.Moved(self))

    def begin(self, place: int = 0) -> None:
        """Chooses that row of what is shown next; it is where the chosen one was, unless that was on top."""
        self._top = max(0, self._top + place - self._chosen) if place and self._top else 0
        self._chosen, self._key = place, None

    def _place_of(self, key: Hashable | None) -> int:
        """Where a row is now; of one that is gone, where it was."""
        table = self._table
        if key is None or table is None:
            return self._chosen
        if self._chosen < len(table) and table.key(self._chosen) == key:
            return self._chosen  # as nearly always: a long table is not looked through
        return next((place for place in range(len(table)) if table.key(place) == key), self._chosen)

    def _choose(self, place: int) -> None:
        rows = 0 if self._table is None else len(self._table)
        self._chosen = max(0, min(place, rows - 1))
        self._key = self._table.key(self._chosen) if self._table is not None and rows else None
        room = max(1, self.content_size.height - self._above)
        self._top = max(0, self._chosen - room + 1, min(self._top, self._chosen, max(0, rows - room)))
        size = self.content_size
        drawn = (size, self._chosen, *(self._line(y) for y in range(size.height)))
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def move_to(self, place: int) -> None:
        """Chooses the row at a place, or the one next to it that there is."""
        before = self._key
        self._choose(place)
        if self._key != before:
            self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        self.move_to(self._chosen + by)

    def action_page(self, by: int) -> None:
        self.move_to(self._chosen + by * max(1, self.content_size.height - self._above - 1))

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(0 if self._table is None else len(self._table) - 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-1)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._above or self._table is None:
            return
        place = self._top + offset.y - self._above
        if place < len(self._table):
            self.move_to(place)
            if event.chain == 2:
                self.post_message(self.Opened(self))

    def on_resize(self) -> None:
        self._choose(self._chosen)

    def render_line(self, y: int) -> Strip:
        is_chosen = self._top + y - self._above == self._chosen and y >= self._above
        return self.strip(self._line(y), self.content_size.width, chosen=is_chosen and self.has_focus)

    def _line(self, y: int) -> Line:
        """What is to be seen there."""
        table, width = self._table, self.content_size.width
        if table is None or not width:
            return ()
        if y < self._above:
            return table.heading(width)
        place = self._top + y - self._above
        if place >= len(table):
            return ()
        return table.line(
            place, width, marked=place == self._chosen and (self.has_focus or not self._follows)
        )
