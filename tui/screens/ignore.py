"""Ignore: the rules of a repository, its patterns in an editor, and what others would hide or reveal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, TextArea

from treeledger.answers import PathRule
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown, stored_from_os
from treeledger.tui.choices import following
from treeledger.tui.drafts import Draft, Home
from treeledger.tui.ignore_reading import known, previewed
from treeledger.tui.ignore_texts import (
    Found,
    RuleTable,
    differences,
    effect_lines,
    progress_text,
    summary,
)
from treeledger.tui.latest import Latest
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.proposal import Proposal, Wish
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.editor import Editor
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.widgets.rule_question import RuleQuestion

_QUIET: Final = 0.15  # seconds without a key, after which what is typed is judged
_NOBODY: Final = "Nothing is under care yet: press 1, then a, and choose a folder."


class IgnorePage(Page):
    """Rules, patterns, preview."""

    name_of_mode = "ignore"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,e", "edit", "Edit", key_display="enter", tooltip="the patterns", id="ignore.edit"),
        Binding(
            "ctrl+s",
            "write",
            "Write",
            key_display="^s",
            tooltip="shows what comes and goes, and where; asks",
            id="ignore.write",
        ),
        Binding("u", "undo", "Undo", tooltip="all that is typed here and not written", id="ignore.undo"),
        Binding("i", "ask", "Check", tooltip="which rule decides about a path", id="ignore.ask"),
        Binding("r", "repository", "Repository", tooltip="the next one", id="ignore.repository"),
        Binding(
            "d",
            "defaults",
            "For all",
            tooltip="the patterns of all repositories, and back",
            id="ignore.defaults",
        ),
        Binding("f5", "read", "Read again", show=False, tooltip="from the engine", id="ignore.read"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._proposal = Proposal()
        self._timer: Timer | None = None
        self._reading = Latest(self, self._learn)
        self._judging = Latest(self, self._judge)

    def body(self) -> Iterable[Widget]:
        yield Container(
            Listing(id="rules"),
            Container(Editor(id="patterns", soft_wrap=False), Pane(id="effect"), id="proposal"),
            id="ignore",
        )
        yield RuleQuestion(self._answer)

    def on_mount(self) -> None:
        self.query_one("#rules").focus()

    @property
    def _editor(self) -> Editor:
        return self.query_one("#patterns", Editor)

    # what is shown

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self._follow(snapshot)
        rules, name = self.query_one("#rules", Listing), self._proposal.repository
        rules.show(RuleTable(self._proposal.rules))
        rules.entitle(f"Rules  {'' if name is None else shown(name)}", "the last that matches decides")
        self._fill_editor()
        self._fill_effect()

    def _follow(self, snapshot: Snapshot) -> None:
        """Turns to a repository that there is, and reads again from an engine that is back."""
        names, before = [one.name for one in snapshot.repositories], self._proposal.repository
        self._become(lambda one: one.among(names, self.dashboard.chosen))
        if self._proposal.repository != before:
            self.action_read()
        if self.meets_engine(snapshot):
            self.action_read()

    def _fill_editor(self) -> None:
        proposal, editor = self._proposal, self._editor
        home, draft = proposal.home, proposal.draft
        title = "Patterns for all repositories" if home is None else f"Patterns of {shown(home)}"
        editor.border_title = Content(title)
        editor.border_subtitle = Content("not written yet" if proposal.is_changed else "")
        editor.read_only = draft is None or not draft.is_plain

    def _fill_effect(self) -> None:
        proposal = self._proposal
        found = proposal.found
        if found is None and proposal.why_none:
            found = Found(trouble=proposal.why_none)
        elif proposal.repository is None and self.dashboard.snapshot.link is Link.HERE:
            found = Found(trouble=_NOBODY)
        pane = self.query_one("#effect", Pane)
        pane.show(lambda width: effect_lines(found, (width, pane.content_size.height)))
        pane.entitle("What that would change" if found is not None else "Preview", progress_text(found))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what was changed is written, or undone."""
        if action == "edit":
            return not (self.is_mounted and self._editor.has_focus)
        return self._proposal.is_changed if action in ("write", "undo") else True

    # what it becomes

    def _become(self, change: Callable[[Proposal], Proposal]) -> None:
        """Takes up what is typed by now, then that change: the editor holds what is proposed then, which is
        judged once it rests."""
        before = self._proposal
        self._proposal = proposal = change(before.typed(self._editor.text))
        self._editor.hold(proposal.text)
        if unsaved := proposal.drafts.unsaved:
            self.dashboard.unsaved[self.name_of_mode] = unsaved
        else:
            self.dashboard.unsaved.pop(self.name_of_mode, None)
        if proposal.is_changed != before.is_changed:  # other keys do something then
            self.refresh_bindings()
        if proposal.wish != before.wish:
            self._judge_soon()

    @on(TextArea.Changed, "#patterns")
    def _typed(self) -> None:
        self._become(lambda one: one)
        self._fill_editor()
        self._fill_effect()

    # what is read

    def on_screen_resume(self) -> None:
        chosen = self.dashboard.chosen  # what Page does is done, too
        if chosen not in (None, self._proposal.repository) and not self._proposal.is_changed:
            self._turn_to(chosen)
        else:
            self.action_read()
            if self._proposal.verdict is None:
                self._judge_soon()

    def on_screen_suspend(self) -> None:
        self._judging.drop()

    def _turn_to(self, name: str) -> None:
        """Shows another repository; what was typed for the one before is kept."""
        self._become(lambda one: one.turned_to(name))
        self.action_read()

    def action_read(self) -> None:
        """Asks the engine for the rules and patterns."""
        if self._proposal.repository is not None:
            self._reading.wish(self._proposal.repository)

    async def _read_now(self) -> None:
        """Shows what is there now, whoever wrote it, before anything is said of it."""
        self.action_read()
        await self._reading.rest()

    async def _learn(self, name: str) -> None:
        """Reads the rules of a repository, its patterns, and those of all. The last rules stay in sight until
        another one is chosen, since they decide."""
        try:
            found = await known(self.dashboard.source.client, name)
        except TreeledgerError as error:
            self._proposal = replace(self._proposal, trouble=str(error))
            self.show_again()
            return
        listing = self.query_one("#rules", Listing)
        is_at_end = listing.place >= len(self._proposal.rules) - 1
        self._become(lambda one: one.learnt(name, found))
        self.show_again()
        if is_at_end:
            listing.action_last()

    # what others would change

    def _judge_soon(self) -> None:
        """Has what is typed judged once it rests."""
        self._judging.drop()
        if self._timer is not None:
            self._timer.stop()
        if self._proposal.is_changed:
            self._timer = self.set_timer(_QUIET, self._judge_now)

    def _judge_now(self) -> None:
        if (wish := self._proposal.wish) is not None and self.is_current:
            self._judging.wish(wish)

    async def _judge(self, wish: Wish) -> None:
        """Adds up what patterns would change, portion by portion, while they are what is typed."""
        snapshot, home = self.dashboard.snapshot, wish.home
        here = None if snapshot.status is None else snapshot.status.host
        meant = [one for one in snapshot.repositories if home in (None, one.name) and one.host == here]
        try:
            client = self.dashboard.source.client
            async with aclosing(previewed(client, meant, wish.patterns, for_all=home is None)) as portions:
                async for found in portions:
                    if self._judging.is_outdated:
                        return
                    self._show_found(wish, found)
        except TreeledgerError as error:
            self._show_found(wish, Found(trouble=str(error), is_over=True))

    def _show_found(self, wish: Wish, found: Found) -> None:
        self._proposal = self._proposal.seen(wish, found)
        self._fill_effect()

    # what a person asks for

    def action_edit(self) -> None:
        self._editor.focus()

    def action_repository(self) -> None:
        """The next repository."""
        names = [one.name for one in self.dashboard.snapshot.repositories]
        if names:
            self.dashboard.chosen = name = following(self._proposal.repository, names)
            self._turn_to(name)
            self.show_again()

    def action_defaults(self) -> None:
        """From the patterns of a repository to those of all, and back."""
        self._become(Proposal.switched)
        self.action_read()
        self.show_again()

    def action_undo(self) -> None:
        self._become(Proposal.undone)
        self.show_again()

    def action_write(self) -> None:
        """Shows what comes and goes, and where; writes it if that is meant."""
        self._become(lambda one: one)
        proposal, draft = self._proposal, self._proposal.draft
        if draft is None or not draft.is_changed:
            return
        effect = [] if proposal.verdict is None else ["", *summary(proposal.verdict)]
        text = "\n".join([*differences(draft.before, draft.patterns), *effect])
        text = f"{text}\n\nin {shown(draft.where)}"
        self.dashboard.confirm("Write these patterns?", text, partial(self._write, proposal.home, draft))

    def _write(self, home: Home, draft: Draft) -> None:
        async def write(client: Client) -> None:
            try:
                written = await client.change_ignore_patterns(
                    draft.patterns, before=draft.before, repository=home
                )
            except TreeledgerError:
                await self._read_now()
                raise
            self._become(lambda one: one.written(home, written))
            await self._read_now()

        self.dashboard.work(write, "Written; a scan takes it up now.")

    def action_ask(self) -> None:
        self.query_one(RuleQuestion).open()

    async def _answer(self, text: str) -> PathRule | None:
        """Which rule decides about a path below the root, or an absolute one."""
        one = self.dashboard.snapshot.repository(self._proposal.repository)
        if one is None:
            return None
        path = stored_from_os(text).removeprefix(one.root.rstrip("/") + "/")
        try:
            (answer,) = await self.dashboard.source.client.ignore_check(one.name, [path])
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
            return None
        return answer

    @on(RuleQuestion.Left)
    def _asked(self) -> None:
        self.query_one("#rules").focus()

    def action_back(self) -> None:
        if self.query_one(Input).has_focus:
            self.query_one(RuleQuestion).close()
        elif self._editor.has_focus:
            self.query_one("#rules").focus()
        else:
            self.app.switch_mode("home")
