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
from treeledger.tui.details import as_it_was, repository_lines
from treeledger.tui.file_details import copyable
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.tables import Feed, Repositories, wanted
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane

_AROUND: Final = 3  # lines of a frame with a heading
_DETAIL: Final = 6  # lines of the detail with its frame
_FEED: Final = 5  # lines that the changes have at least, with their frame
_EDGES: Final = 3  # lines above and below all
_OF_ONE: Final = ("open", "scan", "pause", "scrub", "remove", "explain", "filter", "freeze", "copy")
_LIVE: Final = "live  f freezes"


class HomePage(Page):
    """Repositories, detail, feed."""

    name_of_mode = "home"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="enter", id="home.open", tooltip="its files"),
        Binding("s", "scan", "Scan", id="home.scan", tooltip="lists all of it anew"),
        Binding("p", "pause", "Pause", id="home.pause", tooltip="pauses the watching, or goes on"),
        Binding("a", "app.add", "Add", id="home.add", tooltip="takes another folder under care"),
        Binding("e", "explain", "Explain", id="home.explain", tooltip="why a changed file is as it is"),
        Binding("slash", "filter", "Filter", key_display="/", id="home.filter", tooltip="of the changes"),
        Binding("f", "freeze", "Freeze", show=False, id="home.freeze", tooltip="or follow the changes"),
        Binding("y", "copy", "Copy path", show=False, id="home.copy"),
        Binding("c", "scrub", "Scrub", show=False, id="home.scrub", tooltip="reads contents for an hour"),
        Binding("X", "remove", "Remove", show=False, id="home.remove", tooltip="ends the care for it; asks"),
        Binding("escape", "unfilter", "Show all", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._frozen: Snapshot | None = None
        self._filter = ""

    def body(self) -> Iterable[Widget]:
        yield Container(Listing(id="repositories"), Pane(id="detail"), id="top")
        yield Listing(id="feed", follows=True, heading=False)
        yield Input(placeholder="a part of the path or kind, or a glob as *.jpg", id="filter", compact=True)

    def on_mount(self) -> None:
        self.query_one("#repositories").focus()

    def on_screen_resume(self) -> None:
        """The repository that was chosen on another screen is chosen here, too."""
        names = [one.name for one in self.dashboard.snapshot.repositories]
        if self.dashboard.chosen in names:
            self.query_one("#repositories", Listing).move_to(names.index(self.dashboard.chosen))

    @property
    def chosen(self) -> str | None:
        """The name of the repository that is chosen."""
        key = self.query_one("#repositories", Listing).key
        return None if key is None else str(key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what there is a repository for, and what ends a filter that there is."""
        if action == "unfilter":
            return self.is_mounted and (bool(self._filter) or self.query_one("#filter").display)
        return action not in _OF_ONE or (self.is_mounted and self.chosen is not None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        repositories = self.query_one("#repositories", Listing)
        self._share_out(max(1, len(snapshot.repositories)) + _AROUND)
        repositories.show(Repositories(snapshot, now))
        repositories.entitle("Repositories", lambda: as_it_was(snapshot, now) or repositories.whereabouts)
        detail = self.query_one("#detail", Pane)
        name = self.chosen
        detail.show(lambda width: repository_lines(snapshot, name, width, now))
        one = snapshot.repository(name)
        if one is None:
            detail.entitle("Welcome" if snapshot.link is Link.HERE else "")
        else:
            detail.entitle(shown(one.name), path=shown(one.root))
        self._fill_feed(snapshot, now)

    def _share_out(self, wanted: int) -> None:
        """Gives the repositories the lines that they want, and leaves some to the changes; beside the detail
        where there is room."""
        is_wide = self.has_class("-wide")
        height = self.size.height
        room = height - _EDGES - _FEED if is_wide else min(height * 2 // 5, height - _EDGES - _FEED - _DETAIL)
        lines = max(_AROUND + 1, min(wanted, room))
        self.query_one("#top").styles.height = max(_DETAIL, lines) if is_wide else "auto"
        self.query_one("#repositories").styles.height = "100%" if is_wide else lines

    def _fill_feed(self, snapshot: Snapshot, now: datetime) -> None:
        feed = self.query_one("#feed", Listing)
        name = self.chosen
        live = wanted(snapshot.feed(name), name, self._filter)
        changes = live if self._frozen is None else wanted(self._frozen.feed(name), name, self._filter)
        feed.show(Feed(changes, now))
        title = "Changes" if name is None else f"Changes  {shown(name)}"
        feed.entitle(
            f"{title}  /{shown(self._filter)}" if self._filter else title,
            self._mode(live) or as_it_was(snapshot, now),
        )

    def _mode(self, live: Sequence[wire.Change]) -> str:
        """How the changes are followed; "" while none can come."""
        if self._frozen is None:
            return _LIVE if self.dashboard.snapshot.link is Link.HERE and self.chosen is not None else ""
        more = sum(one.n > self._frozen.head for one in live)
        return f"frozen, {more} new  f goes on"

    @on(Listing.Opened)
    def action_open(self) -> None:
        """Shows the files of the chosen repository, or why the file of the chosen change is as it is."""
        if self.query_one("#feed").has_focus:
            self.action_explain()
        else:
            self.dashboard.chosen = self.chosen
            self.app.switch_mode("files")

    @property
    def _change(self) -> wire.Change | None:
        """The change that is chosen; the newest, if none is."""
        table = self.query_one("#feed", Listing).table
        place = self.query_one("#feed", Listing).place
        return table.changes[place] if isinstance(table, Feed) and place < len(table) else None

    def action_explain(self) -> None:
        if (one := self._change) is not None:
            self.dashboard.explain(one.repository, one.path)

    def action_copy(self) -> None:
        one = self._change
        repository = None if one is None else self.dashboard.snapshot.repository(one.repository)
        if one is not None and repository is not None:
            self.dashboard.to_clipboard(copyable(repository.root, one.path))

    @on(Listing.Moved, "#repositories")
    def _another(self) -> None:
        self.refresh_bindings()
        self.dashboard.chosen = self.chosen
        self.dashboard.source.watch(self.chosen)
        self.show_again()

    def action_freeze(self) -> None:
        self._frozen = None if self._frozen is not None else self.dashboard.snapshot
        self.show_again()

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.display = True
        self.set_focus(entry)  # at once: the next key is a letter of it

    def action_unfilter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.value = ""
        self._leave_filter()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._filter = event.value
        self.refresh_bindings()
        self.show_again()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#repositories").focus()

    def action_scan(self) -> None:
        if (name := self.chosen) is not None:
            self.dashboard.scan(name)

    def action_pause(self) -> None:
        if (name := self.chosen) is not None:
            self.dashboard.pause(name)

    def action_scrub(self) -> None:
        if (name := self.chosen) is not None:
            self.dashboard.scrub(name)

    def action_remove(self) -> None:
        if (name := self.chosen) is not None:
            self.dashboard.remove(name)
