"""Attention: everything that waits for a decision or a repair, and the keys that decide."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from treeledger import wire
from treeledger.answers import HeldFile
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.model import JobState
from treeledger.names import shown
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.screens.questions import Confirm
from treeledger.tui.waiting_texts import Held, WaitingTable, detail_lines, held, kind, subject, title
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane

_MOST_FILES: Final = 100_000  # of a held deletion, that are put together by folders
_PAGE: Final = 1000
_AROUND: Final = 3  # lines of a frame with a heading


class AttentionPage(Page):
    """What waits, one of it in full, and a word typed to approve."""

    name_of_mode = "attention"
    CSS_PATH = "attention.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "approve", "Approve", id="attention.approve"),
        Binding("R", "reject", "Reject", id="attention.reject"),
        Binding("s", "scan", "Scan again", id="attention.scan"),
        Binding("t", "retry", "Try again", id="attention.retry"),
        Binding("C", "clear", "Clear", id="attention.clear"),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[str, Held] = {}
        self._asked: set[str] = set()

    def body(self) -> Iterable[Widget]:
        yield Listing(id="waiting")
        yield Pane(id="matter")
        yield Input(id="approval", compact=True)

    def on_mount(self) -> None:
        self.query_one("#waiting").focus()

    @property
    def chosen(self) -> wire.Waiting | None:
        key = self.query_one("#waiting", Listing).key
        return next((one for one in self.dashboard.snapshot.waiting if one.key == key), None)

    @property
    def _hold(self) -> wire.HeldDeletion | None:
        one = self.chosen
        details = None if one is None else self._held.get(one.key)
        return None if details is None else details.hold

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        waiting = self.query_one("#waiting", Listing)
        waiting.styles.height = max(1, len(snapshot.waiting)) + _AROUND
        waiting.show(WaitingTable(snapshot, now))
        waiting.entitle(title(snapshot))
        self._fill_matter()
        self.refresh_bindings()

    def _fill_matter(self) -> None:
        if not self.is_running:
            return  # what was asked for came after the screen was left for good
        one = self.chosen
        details = None if one is None else self._held.get(one.key)
        matter = self.query_one("#matter", Pane)
        matter.show(lambda width: detail_lines(one, details, (width, matter.content_size.height)))
        matter.entitle("" if one is None else f"{kind(one).text.capitalize()}  {shown(subject(one))}")
        if one is not None and one.kind == "held" and one.key not in self._asked:
            self._asked.add(one.key)
            self.run_worker(self._learn(one.key))

    async def _learn(self, key: str) -> None:
        """Reads what a held deletion is about."""
        try:
            client = self.dashboard.source.client
            id = int(key.partition(":")[2])
            hold = await client.deletion(id)
            self._held[key] = Held(hold)
            self._fill_matter()
            files: list[HeldFile] = []
            async for file in client.pages(f"/api/deletions/{id}/files", HeldFile, limit=_PAGE):
                files.append(file)
                if len(files) == _MOST_FILES:
                    break
            self._held[key] = held(hold, files)
        except TreeledgerError as error:
            self._asked.discard(key)
            self.notify(shown(str(error)), severity="warning", markup=False)
        self._fill_matter()

    @on(Listing.Moved, "#waiting")
    def _another(self) -> None:
        self._leave()
        self.show_again()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done about the thing that is chosen."""
        one = self.chosen if self.is_mounted else None
        if action in ("approve", "reject"):
            return one is not None and one.kind == "held"
        if action in ("retry", "clear"):
            return one is not None and one.kind == "dead_job"
        if action == "scan":
            return one is not None and one.repository is not None
        return True

    def action_approve(self) -> None:
        hold = self._hold
        if hold is None:
            return
        entry = self.query_one("#approval", Input)
        entry.value = ""
        entry.placeholder = f"to approve, type the number of files: {hold.gone}; esc leaves it undecided"
        entry.display = True
        entry.focus()

    @on(Input.Submitted, "#approval")
    def _approved(self, event: Input.Submitted) -> None:
        hold = self._hold
        if hold is None:
            return
        if event.value.strip().replace(",", "") != str(hold.gone):
            self.notify(f"It is undecided: the number is {hold.gone}.", severity="warning", markup=False)
            return
        self._leave()
        done = f"{hold.repository}: approved; {hold.gone:,} records are deleted within seconds"
        self.dashboard.work(partial(Client.approve, deletion=hold.id), done)

    def action_reject(self) -> None:
        hold = self._hold
        if hold is None:
            return
        text = (
            f"The records of {hold.gone:,} files in {hold.repository} stay missing. You are asked again"
            " only if more files go."
        )
        done = f"{hold.repository}: rejected; the records stay"

        def reject(yes: bool | None) -> None:
            if yes:
                self.dashboard.work(partial(Client.reject, deletion=hold.id), done)

        self.app.push_screen(Confirm("Reject?", text), reject)

    def action_scan(self) -> None:
        one = self.chosen
        if one is not None and one.repository is not None:
            self.dashboard.scan(one.repository)

    def action_retry(self) -> None:
        if (one := self.chosen) is not None:
            self.dashboard.work(partial(_retry, action=subject(one)), f"{subject(one)}: tried again now")

    def action_clear(self) -> None:
        one = self.chosen
        if one is None:
            return
        action = subject(one)
        text = f"The dead jobs of {action} are dropped: what they were to do is never done."

        def clear(yes: bool | None) -> None:
            if yes:
                self.dashboard.work(partial(_clear, action=action), f"{action}: its dead jobs are dropped")

        self.app.push_screen(Confirm("Clear?", text), clear)

    def action_back(self) -> None:
        if self.query_one("#approval").display:
            self._leave()
        else:
            self.app.switch_mode("home")

    def _leave(self) -> None:
        self.query_one("#approval").display = False
        self.query_one("#waiting").focus()


async def _retry(client: Client, *, action: str) -> None:
    if ids := await _dead(client, action):
        await client.retry_jobs(ids)


async def _clear(client: Client, *, action: str) -> None:
    if ids := await _dead(client, action):
        await client.clear_jobs(ids)


async def _dead(client: Client, action: str) -> list[int]:
    return [job.id async for job in client.queue(action=action, state=JobState.DEAD)]
