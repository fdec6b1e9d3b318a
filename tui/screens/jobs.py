"""Jobs: the work of actions that waits, runs or is dead, and one of it in full."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final

import anyio
import msgspec
from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from treeledger import wire
from treeledger.api.routing import Page as Listed
from treeledger.client import Client
from treeledger.errors import NotFound, TreeledgerError
from treeledger.model import JobState
from treeledger.names import shown
from treeledger.tui import job_texts
from treeledger.tui.choices import following
from treeledger.tui.job_texts import STATES, JobTable, Wanted
from treeledger.tui.matters import clear_all, retry_all
from treeledger.tui.model import Snapshot
from treeledger.tui.rows import AT_ONCE, Mark, Rows
from treeledger.tui.screens.following import FollowingPage
from treeledger.tui.screens.told import Told
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import begin
from treeledger.units import show_number

_MOST_ACTIONS: Final = 6  # lines for queues
_AROUND: Final = 3  # lines of a frame with a heading
_DETAIL: Final = 7  # lines of the chosen job with its frame
_SHORT_DETAIL: Final = 5  # the same where a screen has fewer lines than _HIGH
_HIGH: Final = 22


class JobsPage(FollowingPage):
    """Queues, the jobs of one or of all, and the chosen one."""

    name_of_mode = "jobs"
    every = 2.0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="enter", id="jobs.open", tooltip="all of it"),
        Binding("a", "next_action", "Action", id="jobs.action", tooltip="lists those of the next one"),
        Binding("f", "next_state", "State", id="jobs.state", tooltip="all, waiting, running, dead ones"),
        Binding("t", "retry", "Try again", id="jobs.retry", tooltip="a dead one, now"),
        Binding("T", "retry_all", "Try all", id="jobs.retry_all", tooltip="all dead ones that are listed"),
        Binding("C", "clear", "Clear", id="jobs.clear", tooltip="drops it; asks"),
        Binding("D", "clear_all", "Clear dead", id="jobs.clear_all", tooltip="drops all dead ones; asks"),
        Binding(
            "plus",
            "prefer(1)",
            "Sooner",
            show=False,
            key_display="+",
            id="jobs.sooner",
            tooltip="one that waits",
        ),
        Binding(
            "minus",
            "prefer(-1)",
            "Later",
            show=False,
            key_display="-",
            id="jobs.later",
            tooltip="one that waits",
        ),
        Binding("y", "copy", "Copy", show=False, id="jobs.copy", tooltip="its name"),
        Binding("escape", "app.switch_mode('home')", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._wanted = Wanted()
        self.rows: Rows[wire.Job] = Rows()
        self._payload: tuple[int, Mapping[str, Any]] = (0, {})  # of the chosen one, with its id
        self._preferring = anyio.Lock()

    def body(self) -> Iterable[Widget]:
        yield Pane(id="queues")
        yield Container(Listing(id="jobs"), Pane(id="job"), id="below")

    def on_mount(self) -> None:
        self.query_one("#jobs").focus()

    async def read(self) -> None:
        client, wanted = self.dashboard.source.client, self._wanted
        begin, pages = self.rows.part(self.query_one("#jobs", Listing).place)
        for _ in range(pages):
            page = await _page(client, wanted, begin.cursor)
            if wanted != self._wanted:
                return
            self.rows = self.rows.read(begin, page.items, page.next)
            if page.next is None:
                break
            begin = Mark(page.items[-1].id, page.next)
        self.show_again()
        one = self.chosen
        if one is not None and one.id != self._payload[0]:
            with suppress(NotFound):  # it is done meanwhile
                self._payload = one.id, (await client.job(one.id)).payload

    @on(Listing.Moved, "#jobs")
    def _another(self) -> None:
        self.ask()
        self.show_again()

    def _want(self, wanted: Wanted) -> None:
        self._wanted, self.rows = wanted, Rows()
        self.ask()
        self.show_again()

    # what is shown

    @property
    def chosen(self) -> wire.Job | None:
        """The chosen one, with its payload as soon as that is read."""
        key = self.query_one("#jobs", Listing).key
        one = next((one for one in self.rows.items if one.id == key), None)
        id, payload = self._payload
        return one if one is None or one.id != id else msgspec.structs.replace(one, payload=dict(payload))

    @property
    def _queue(self) -> Mapping[str, Mapping[str, int]]:
        status = self.dashboard.snapshot.status
        return {} if status is None else status.queue

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self._fill_queues()
        listing = self.query_one("#jobs", Listing)
        listing.show(JobTable(self.rows.items, now))
        known, number = len(self.rows.items), job_texts.how_many(self._queue, self._wanted)
        count = f"{known:,}" if self.rows.is_whole else f"the first {known:,} of {max(known, number):,}"
        is_read = known > 0 or self.rows.is_whole
        listing.entitle(job_texts.title(self._wanted), self.trouble or (count if is_read else "reading …"))
        one, pane = self.chosen, self.query_one("#job", Pane)
        lines = _DETAIL if self.size.height >= _HIGH else _SHORT_DETAIL
        pane.styles.height = "100%" if self.has_class("-wide") else lines
        height = pane.content_size.height
        pane.show(lambda width: job_texts.job_lines(one, width, height, now) if is_read else ())
        pane.entitle("" if one is None else f"Job {one.id}  {shown(one.action)}  {shown(one.key)}")
        self.refresh_bindings()

    def _fill_queues(self) -> None:
        queue, wanted, pane = self._queue, self._wanted, self.query_one("#queues", Pane)
        pane.styles.height = min(len(job_texts.actions_of(queue)), _MOST_ACTIONS) + _AROUND
        pane.show(lambda width: job_texts.queue_lines(queue, wanted, width, pane.content_size.height))
        pane.entitle("Queues")

    # what a person asks for

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done about the job that is chosen, and about those that are listed."""
        if not self.is_mounted:
            return True
        if action in ("retry", "clear", "prefer", "open", "copy"):
            waiting, dead = JobState.WAITING, JobState.DEAD
            states = {"retry": (dead,), "clear": (waiting, dead), "prefer": (waiting,)}
            one = self.chosen
            return one is not None and one.state in states.get(action, STATES)
        if action in ("retry_all", "clear_all"):
            return self._dead > 0
        return True

    @property
    def _dead(self) -> int:
        """How many jobs of the queue that is listed are dead."""
        return job_texts.how_many(self._queue, self._wanted._replace(state=JobState.DEAD))

    def action_open(self) -> None:
        if (one := self.chosen) is not None:
            begin(self, self._open, one, group="open", exclusive=True)

    async def _open(self, one: wire.Job) -> None:
        """Shows all of a job, whose payload may not have been read yet."""
        try:
            if one.id != self._payload[0]:
                one = await self.dashboard.source.client.job(one.id)
        except TreeledgerError as error:  # it is done meanwhile
            self.notify(shown(str(error)), severity="warning", markup=False)
        else:
            self.app.push_screen(Told(f"Job {one.id}", job_texts.facts_of(one)))

    @on(Listing.Opened, "#jobs")
    def _opened(self) -> None:
        self.action_open()

    def action_next_action(self) -> None:
        action = following(self._wanted.action, job_texts.actions_of(self._queue))
        self._want(self._wanted._replace(action=action))

    def action_next_state(self) -> None:
        states = (None, *reversed(STATES))
        self._want(self._wanted._replace(state=following(self._wanted.state, states)))

    def on_click(self, event: events.Click) -> None:
        pane = self.query_one("#queues", Pane)
        offset = event.get_content_offset(pane)
        if offset is None:
            return
        rows = job_texts.seen_actions(self._queue, self._wanted, pane.content_size.height)
        if 0 < offset.y <= len(rows):
            self._want(self._wanted._replace(action=rows[offset.y - 1]))

    def action_retry(self) -> None:
        if (one := self.chosen) is not None:
            self._work(partial(Client.retry_jobs, ids=[one.id]), f"job {one.id}: tried again now")

    def action_retry_all(self) -> None:
        of = job_texts.named(self._wanted.action)
        self._work(partial(retry_all, action=self._wanted.action, told=self._look), f"{of}: tried again now")

    def action_clear(self) -> None:
        if (one := self.chosen) is not None:
            text = f"What {shown(one.action)} was to do by job {one.id}, {shown(one.key)}, is never done."
            self._ask(text, partial(Client.clear_jobs, ids=[one.id]), f"job {one.id}: dropped")

    def action_clear_all(self) -> None:
        of = job_texts.named(self._wanted.action)
        text = f"{show_number(self._dead, 'dead job')} of {of}: what was to be done by that is never done."
        self._ask(text, partial(clear_all, action=self._wanted.action, told=self._look), f"{of}: dropped")

    def _look(self) -> None:
        """Shows how far it is."""
        self.dashboard.source.look()

    def action_prefer(self, by: int) -> None:
        """Has the chosen job done before, or after, those of the same priority."""
        if (one := self.chosen) is not None:
            what = f"job {one.id}: one step {'sooner' if by > 0 else 'later'}"
            self._work(partial(self._prefer, id=one.id, by=by), what)

    async def _prefer(self, client: Client, *, id: int, by: int) -> None:
        """Counts from what it is in the ledger: keys come faster than what they did is read."""
        async with self._preferring:
            one = await client.job(id)
            await client.prioritize_jobs([id], one.priority + by)

    def action_copy(self) -> None:
        if (one := self.chosen) is not None:
            self.dashboard.to_clipboard(shown(one.key))

    def _ask(self, text: str, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        self.dashboard.confirm("Clear?", text, partial(self._work, what, done))

    def _work(self, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        async def work(client: Client) -> None:
            await what(client)
            self.ask()

        self.dashboard.work(work, done)


async def _page(client: Client, wanted: Wanted, after: str | None) -> Listed[wire.Job]:
    return await client.get(
        "/api/queue",
        Listed[wire.Job],
        action=wanted.action,
        state=wanted.state,
        brief="true",
        after=after,
        limit=AT_ONCE,
    )
