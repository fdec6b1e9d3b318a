"""Files: the records of a ledger of any size, page by page, found as one types; and why one is as it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import ClassVar, Final, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from treeledger import wire
from treeledger.api.routing import Page as Listed
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui.file_texts import FileTable, globs_of
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.listing import Listing

_AT_ONCE: Final = 200  # records that are read together
_AHEAD: Final = 100  # rows before the last that is known, at which more are read
_MOST: Final = 20_000  # rows; who looks for one further on, searches


class Wanted(NamedTuple):
    """Which files are listed."""

    repository: str | None = None
    text: str = ""
    duplicates: bool = False


class FilesPage(Page):
    """The records of one repository, or of all."""

    name_of_mode = "files"
    CSS_PATH = "files.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,e", "explain", "Explain", key_display="enter", id="files.explain"),
        Binding("slash", "search", "Search", key_display="/", id="files.search"),
        Binding("d", "duplicates", "Duplicates", id="files.duplicates"),
        Binding("r", "repository", "Repository", id="files.repository"),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._wanted: Wanted | None = None
        self._records: list[wire.Record] = []
        self._next: str | None = None
        self._is_reading = False

    def body(self) -> Iterable[Widget]:
        yield Listing(id="files")
        yield Input(placeholder="a part of the name, or a glob as 2024/*.jpg", id="search", compact=True)

    def on_mount(self) -> None:
        self.query_one("#files").focus()

    def on_screen_resume(self) -> None:
        text, duplicates = ("", False) if self._wanted is None else self._wanted[1:]
        self._want(Wanted(self.dashboard.chosen, text, duplicates))  # that of Page is called, too

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        listing = self.query_one("#files", Listing)
        listing.show(FileTable(self._records, now))
        wanted = self._wanted or Wanted()
        name = "all repositories" if wanted.repository is None else shown(wanted.repository)
        what = "Duplicates" if wanted.duplicates else "Files"
        search = f"  /{shown(wanted.text)}" if wanted.text else ""
        listing.entitle(f"{what}  {name}{search}", self._count())
        if listing.place + _AHEAD > len(self._records):
            self._read_on()

    def _count(self) -> str:
        """How many rows there are, as far as that is known."""
        known = f"{len(self._records):,}"
        if self._is_reading:
            return f"{known} …"
        return known if self._next is None else f"the first {known}"

    def _want(self, wanted: Wanted) -> None:
        if wanted == self._wanted:
            return
        self._wanted, self._records, self._next = wanted, [], None
        self.run_worker(self._read(wanted, None), group="files", exclusive=True)

    def _read_on(self) -> None:
        wanted = self._wanted
        if wanted is None or self._next is None or self._is_reading or len(self._records) >= _MOST:
            return
        self.run_worker(self._read(wanted, self._next), group="files", exclusive=True)

    async def _read(self, wanted: Wanted, after: str | None) -> None:
        """The next rows; a page may have none, and others behind it."""
        self._is_reading = True
        try:
            client, read = self.dashboard.source.client, 0
            while read < _AT_ONCE:
                page = await _page(client, wanted, after)
                after, read = page.next, read + len(page.items)
                self._records = [*self._records, *page.items]
                self._next = after
                if page.items:
                    self.show_again()
                if after is None:
                    break
        except TreeledgerError as error:
            self._wanted = None  # it is asked for again when this is opened again
            self.notify(shown(str(error)), severity="warning", markup=False)
        finally:
            self._is_reading = False
        self.show_again()

    @on(Listing.Moved, "#files")
    def _another(self) -> None:
        self.show_again()

    @on(Listing.Opened, "#files")
    def action_explain(self) -> None:
        key = self.query_one("#files", Listing).key
        one = next((record for record in self._records if record.id == key), None)
        if one is not None:
            self.dashboard.explain(one.repository, one.path)

    def action_search(self) -> None:
        entry = self.query_one("#search", Input)
        entry.display = True
        entry.focus()

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self._want((self._wanted or Wanted())._replace(text=event.value))

    @on(Input.Submitted, "#search")
    def _leave_search(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#files").focus()

    def action_duplicates(self) -> None:
        wanted = self._wanted or Wanted()
        self._want(wanted._replace(duplicates=not wanted.duplicates))

    def action_repository(self) -> None:
        """The next repository; after the last, all together."""
        names = [one.name for one in self.dashboard.snapshot.repositories]
        circle = [None, *names]
        wanted = self._wanted or Wanted()
        place = circle.index(wanted.repository) if wanted.repository in circle else 0
        self.dashboard.chosen = circle[(place + 1) % len(circle)]
        self._want(wanted._replace(repository=self.dashboard.chosen))

    def action_back(self) -> None:
        entry = self.query_one("#search", Input)
        if entry.display or entry.value:
            entry.value = ""
            self._leave_search()
        else:
            self.app.switch_mode("home")


async def _page(client: Client, wanted: Wanted, after: str | None) -> Listed[wire.Record]:
    ask = partial(client.get, "/api/files", Listed[wire.Record])
    return await ask(
        repository=wanted.repository,
        glob=list(globs_of(wanted.text)) or None,
        duplicates="true" if wanted.duplicates else None,
        after=after,
        limit=_AT_ONCE,
    )
