"""Home: every repository, one of them in detail, and what changes in it as it happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Input

from treeledger import wire
from treeledger.names import shown
from treeledger.tui.details import repository_lines
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.tables import Feed, Repositories, wanted
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane

_AROUND: Final = 3  # lines of a frame with a heading
_DETAIL: Final = 6  # lines of the detail with its frame


class HomePage(Page):
    """Repositories, detail, feed."""

    name_of_mode = "home"
    CSS_PATH = "home.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (130, "-wide")]  # noqa: RUF012 - as Screen declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="enter", id="home.open"),
        Binding("s", "scan", "Scan", id="home.scan"),
        Binding("p", "pause", "Pause", id="home.pause"),
        Binding("a", "app.add", "Add", id="home.add"),
        Binding("slash", "filter", "Filter", key_display="/", id="home.filter"),
        Binding("f", "freeze", "Freeze", id="home.freeze"),
        Binding("escape", "unfilter", "Show all", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._frozen: Sequence[wire.Change] | None = None
        self._filter = ""

    def body(self) -> Iterable[Widget]:
        yield Container(Listing(id="repositories"), Pane(id="detail"), id="top")
        yield Listing(id="feed", follows=True)
        yield Input(placeholder="a part of the path or kind, or a glob as *.jpg", id="filter", compact=True)

    def on_mount(self) -> None:
        self.query_one("#repositories").focus()

    @property
    def chosen(self) -> str | None:
        """The name of the repository that is chosen."""
        key = self.query_one("#repositories", Listing).key
        return None if key is None else str(key)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        repositories = self.query_one("#repositories", Listing)
        self._share_out(max(1, len(snapshot.repositories)) + _AROUND)
        repositories.show(Repositories(snapshot, now))
        repositories.entitle("Repositories")
        detail = self.query_one("#detail", Pane)
        name = self.chosen
        detail.show(lambda width: repository_lines(snapshot, name, width, now))
        one = snapshot.repository(name)
        detail.entitle("Welcome" if one is None else f"{shown(one.name)}  {shown(one.root)}")
        self._fill_feed(snapshot, now)

    def _share_out(self, lines: int) -> None:
        """Gives the repositories as many lines as they need, beside the detail where there is room."""
        is_wide = self.has_class("-wide")
        self.query_one("#top").styles.height = max(_DETAIL, lines) if is_wide else "auto"
        self.query_one("#repositories").styles.height = "100%" if is_wide else lines

    def _fill_feed(self, snapshot: Snapshot, now: datetime) -> None:
        feed = self.query_one("#feed", Listing)
        name = self.chosen
        live = wanted(snapshot.changes, name, self._filter)
        frozen = self._frozen
        changes = live if frozen is None else wanted(frozen, name, self._filter)
        feed.show(Feed(changes, now))
        title = "Changes" if name is None else f"Changes  {shown(name)}"
        feed.entitle(f"{title}  /{shown(self._filter)}" if self._filter else title, self._mode(live))

    def _mode(self, live: Sequence[wire.Change]) -> str:
        if self._frozen is None:
            return "live  f freezes"
        last = self._frozen[0].n if self._frozen else 0
        more = sum(one.n > last for one in live)
        return f"frozen, {more} new  f goes on"

    @on(Listing.Opened, "#repositories")
    def action_open(self) -> None:
        """Shows the files of the repository that is chosen."""
        self.app.switch_mode("files")

    @on(Listing.Moved, "#repositories")
    def _another(self) -> None:
        self.dashboard.chosen = self.chosen
        self.show_again()

    def action_freeze(self) -> None:
        self._frozen = None if self._frozen is not None else self.dashboard.snapshot.changes
        self.show_again()

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.display = True
        entry.focus()

    def action_unfilter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.value = ""
        self._leave_filter()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._filter = event.value
        self.show_again()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#repositories").focus()

    def action_scan(self) -> None:
        if (name := self.chosen) is not None:
            self.dashboard.scan(name)

    def action_pause(self) -> None:
        one = self.dashboard.snapshot.repository(self.chosen)
        if one is None:
            return
        if one.state == "paused":
            self.dashboard.work(lambda client: client.resume(one.name), f"{one.name}: goes on")
        else:
            self.dashboard.work(
                lambda client: client.pause(one.name), f"{one.name}: paused; p goes on, and a scan catches up"
            )
