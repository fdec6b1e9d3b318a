"""Files: the records of a ledger of any size, found as one types; contents that several files have; and all
about one file."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker

from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui.browsed import FIRST, PLAIN, Browsed
from treeledger.tui.browsing import Row, head_of, page_of, place_of, told_of
from treeledger.tui.choices import following
from treeledger.tui.file_details import copyable, detail_lines
from treeledger.tui.file_texts import (
    SORTS,
    STATES,
    Wanted,
    count,
    file_table,
    since_then,
    twin_table,
    why_none,
)
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.texts import elided
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import begin

_SHORT: Final = 36  # cells of what is in the way, above files that were read before


class FilesPage(Page):
    """The records of one repository, or of all, and beside them, where there is room, all about one."""

    name_of_mode = "files"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,e", "explain", "Details", key_display="enter", id="files.explain", tooltip="all about it"
        ),
        Binding(
            "slash", "search", "Search", key_display="/", id="files.search", tooltip="part of a path, or glob"
        ),
        Binding("o", "sort", "Sort", id="files.sort", tooltip="by path, size, or time"),
        Binding("m", "state", "State", id="files.state", tooltip="present, missing, deleted, ignored"),
        Binding(
            "d", "duplicates", "Duplicates", id="files.duplicates", tooltip="equal contents, and their waste"
        ),
        Binding("r", "repository", "Repository", id="files.repository", tooltip="the next one, or all"),
        Binding("y", "copy", "Copy path", id="files.copy"),
        Binding("f5", "refresh", "Read anew", show=False, id="files.refresh"),
        Binding("escape", "back", "Back", key_display="esc"),
        Binding("up", "row('move', -1)", show=False),
        Binding("down", "row('move', 1)", show=False),
        Binding("pageup", "row('page', -1)", show=False),
        Binding("pagedown", "row('page', 1)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._browsed = Browsed()
        self._reader: Worker[None] | None = None
        self._read_for = PLAIN  # by the reader, just now
        self._second = 0  # of the clock, when what is followed was read
        self._looker: Worker[None] | None = None
        self._link = Link.SOUGHT

    def body(self) -> Iterable[Widget]:
        yield Horizontal(Listing(id="files"), Pane(id="file"), id="browser")
        yield Input(placeholder="a part of the path, or a glob as 2024/**/*.jpg", id="search", compact=True)

    def on_mount(self) -> None:
        self._browsed = Browsed(Wanted(self.dashboard.chosen))
        self.query_one("#files").focus()

    @property
    def _listing(self) -> Listing:
        return self.query_one("#files", Listing)

    @property
    def _chosen(self) -> Row | None:
        return self._browsed.row(self._listing.place)

    @property
    def _is_reading(self) -> bool:
        return self._reader is not None and not self._reader.is_finished

    # what is shown

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        if snapshot.link is not self._link:
            self._link, self._browsed = snapshot.link, self._browsed.freed()
        self._follow(snapshot, now)
        self._read_on()
        wanted, book, trouble = self._browsed.wanted, self._browsed.book, self._browsed.trouble
        reads = self._is_reading or not book.is_begun
        nothing = trouble or why_none(wanted, is_reading=reads)
        duplicates = wanted.duplicates
        table = twin_table(book, nothing) if duplicates else file_table(book, wanted, now, nothing)
        self._listing.show(table)
        known = elided(trouble, _SHORT) or count(wanted, book, _whole(snapshot, wanted))
        since = self._since(snapshot)
        self._listing.entitle(
            wanted.title, *([f"{known}  {since}".rstrip(), since, known] if len(book) else [])
        )
        self._fill_detail(now)

    def _fill_detail(self, now: datetime) -> None:
        pane = self.query_one("#file", Pane)
        if not self.has_class("-wide"):
            return
        self._look()
        told = self._browsed.detail
        detail = None if told is None or not len(self._browsed.book) else told[1]
        pane.show(lambda width: [] if detail is None else detail_lines(detail, width, now))
        pane.entitle("" if detail is None else shown(detail.facts.path))

    def _since(self, snapshot: Snapshot) -> str:
        """Of a listing that is not followed, and stays as it is: that it is not the newest."""
        browsed = self._browsed
        if not browsed.book.is_begun or browsed.is_followed(_files(snapshot)):
            return ""
        return since_then(snapshot.since(browsed.head, browsed.wanted.repository))

    # what is listed

    def on_screen_resume(self) -> None:
        self._browsed = self._browsed.freed()
        self._want(repository=self.dashboard.chosen)  # that of Page is called, too

    def _want(self, **other: Any) -> None:
        """Has files listed that are wanted otherwise than those that are."""
        wanted = self._browsed.wanted._replace(**other)
        if wanted != self._browsed.wanted:
            self._begin(wanted)

    def _begin(self, wanted: Wanted) -> None:
        """Lists files from the first one on. What is being read is waited for, as the store would go on with
        it anyway; only the comparison of all contents is not."""
        if self._is_reading and self._read_for.duplicates and self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._browsed = self._browsed.begun(wanted)
        self._listing.begin()
        self.show_again()

    def _read_on(self) -> None:
        """Has read what will be seen soon; one reader at a time, which always reads what is wanted then."""
        if not self._is_reading and self._browsed.gap(self._listing.place) is not None:
            self._reader = begin(self, self._read, group="files")

    async def _read(self) -> None:
        try:
            while (gap := self._browsed.gap(self._listing.place)) is not None:
                asked, client = self._browsed, self.dashboard.source.client
                self._read_for = asked.wanted
                head = asked.head if gap.number else await head_of(client)
                page = await page_of(client, asked.wanted, gap)
                self._browsed = self._browsed.read(asked, gap, page, head)
                self.show_again()
        except TreeledgerError as error:
            self._browsed = self._browsed.failed(shown(str(error)))
        self._reader = None
        self.show_again()

    def _follow(self, snapshot: Snapshot, now: datetime) -> None:
        """Has what is followed read anew, each second in which something changed."""
        second, browsed = int(now.timestamp()), self._browsed
        if snapshot.head == browsed.head or second == self._second or self._is_reading or browsed.trouble:
            return
        if browsed.is_followed(_files(snapshot)):
            self._second = second
            self._reader = begin(self, self._read_again, snapshot.head, group="files")

    async def _read_again(self, head: int) -> None:
        asked = self._browsed
        self._read_for = asked.wanted
        try:
            page = await page_of(self.dashboard.source.client, asked.wanted, FIRST)
        except TreeledgerError as error:
            self._browsed = self._browsed.failed(shown(str(error)))
        else:
            again = self._browsed.read_again(asked, page, head)
            if again is not self._browsed:
                self._listing.begin(place_of(self._chosen, page.items, self._listing.place))
                self._browsed = again
        self._reader = None
        self.show_again()

    # all about one

    def _look(self) -> None:
        is_looking = self._looker is not None and not self._looker.is_finished
        if not is_looking and self._browsed.lacks(self._chosen):
            self._looker = begin(self, self._look_on, group="file")

    async def _look_on(self) -> None:
        """Asks for what is chosen then, until that is known."""
        while (chosen := self._chosen) is not None and self._browsed.lacks(chosen):
            detail = None
            with suppress(TreeledgerError):  # the listing says so as well
                detail = await told_of(self.dashboard.source.client, chosen)
            self._browsed = self._browsed.told(chosen, detail)
        self._looker = None
        self.show_again()

    # keys

    @on(Listing.Moved, "#files")
    def _another(self) -> None:
        self._browsed = self._browsed.freed()
        self.show_again()

    @on(Listing.Opened, "#files")
    def action_explain(self) -> None:
        if (one := self._chosen) is not None:
            self.dashboard.explain(one.repository, one.path)

    def action_copy(self) -> None:
        one = self._chosen
        repository = None if one is None else self.dashboard.snapshot.repository(one.repository)
        if one is not None and repository is not None:
            self.dashboard.to_clipboard(copyable(repository.root, one.path))

    def action_row(self, what: str, by: int) -> None:
        """Moves among the files while a text is typed."""
        (self._listing.action_page if what == "page" else self._listing.action_move)(by)

    def action_search(self) -> None:
        self._want(duplicates=False)
        entry = self.query_one("#search", Input)
        entry.display = True
        self.set_focus(entry)  # at once: the next key is a letter of it

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self._want(text=event.value)

    @on(Input.Submitted, "#search")
    def _leave_search(self) -> None:
        self.query_one("#search").display = False
        self.set_focus(self._listing)

    def action_sort(self) -> None:
        self._want(sort=following(self._browsed.wanted.sort, SORTS), duplicates=False)

    def action_state(self) -> None:
        self._want(state=following(self._browsed.wanted.state, STATES), duplicates=False)

    def action_duplicates(self) -> None:
        self._want(duplicates=not self._browsed.wanted.duplicates)

    def action_repository(self) -> None:
        """The next repository; after the last, all together."""
        names = ("", *(one.name for one in self.dashboard.snapshot.repositories))
        now = self._browsed.wanted.repository or ""
        self.dashboard.chosen = following(now, names) or None
        self._want(repository=self.dashboard.chosen)

    def action_refresh(self) -> None:
        self._begin(self._browsed.wanted)

    def action_back(self) -> None:
        """Ends the search, then what else was chosen, then leaves."""
        entry = self.query_one("#search", Input)
        if entry.display or entry.value:
            entry.value = ""
            self._leave_search()
        elif self._browsed.wanted != (plain := Wanted(self._browsed.wanted.repository)):
            self._begin(plain)
        else:
            self.app.switch_mode("home")


def _files(snapshot: Snapshot) -> int:
    """How many the whole ledger has."""
    return sum(one.files for one in snapshot.repositories)


def _whole(snapshot: Snapshot, wanted: Wanted) -> int | None:
    """How many files there are, where all of them are listed."""
    found = [one for one in snapshot.repositories if wanted.repository in (None, one.name)]
    return sum(one.files for one in found) if wanted.is_whole else None
