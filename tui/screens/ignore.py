"""Ignore: the rules of a repository, its patterns in an editor, and what others would hide or reveal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime
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
from treeledger.tui.drafts import Draft, Drafts, Home
from treeledger.tui.ignore_reading import known, previewed
from treeledger.tui.ignore_texts import (
    Found,
    Rule,
    RuleTable,
    differences,
    effect_lines,
    progress_text,
    summary,
)
from treeledger.tui.latest import Latest
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.screens.questions import Confirm
from treeledger.tui.widgets.editor import Editor
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.widgets.rule_question import RuleQuestion
from treeledger.wire_ignore import IgnorePatterns

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
        self._repository: str | None = None  # whose rules are shown
        self._home: Home = None
        self._drafts = Drafts()
        self._rules: tuple[Rule, ...] = ()
        self._why_none = ""  # why no rules, or no patterns for all, can be shown
        self._found: Found | None = None
        self._judged: tuple[Home, tuple[str, ...]] | None = None  # what it was found of, when it was over
        self._began: datetime | None = None  # when the engine was started that was read from
        self._timer: Timer | None = None
        self._was_changed = False
        self._reading = Latest(self, self._learn)
        self._judging = Latest(self, self._preview)

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
    def _draft(self) -> Draft | None:
        return self._drafts.get(self._home)

    @property
    def _editor(self) -> Editor:
        return self.query_one("#patterns", Editor)

    @property
    def _is_changed(self) -> bool:
        return self._drafts.is_changed(self._home)

    # what is shown

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self._follow(snapshot)
        rules = self.query_one("#rules", Listing)
        rules.show(RuleTable(self._rules))
        name = "" if self._repository is None else shown(self._repository)
        rules.entitle(f"Rules  {name}", "the last that matches decides")
        self._fill_editor()
        self._fill_effect()

    def _follow(self, snapshot: Snapshot) -> None:
        """Turns to a repository that there is, and reads again from an engine that was started anew."""
        names = [one.name for one in snapshot.repositories]
        if names and self._repository not in names:
            chosen = self.dashboard.chosen
            self._turn_to(chosen if chosen is not None and chosen in names else names[0])
        began = None if snapshot.status is None else snapshot.status.started_at
        if snapshot.link is Link.HERE and began != self._began:
            self._began = began
            self.action_read()

    def _fill_editor(self) -> None:
        editor, draft = self._editor, self._draft
        title = "Patterns for all repositories" if self._home is None else f"Patterns of {shown(self._home)}"
        editor.border_title = Content(title)
        editor.border_subtitle = Content("not written yet" if self._is_changed else "")
        editor.read_only = draft is None or not draft.is_plain
        if unsaved := self._drafts.unsaved():
            self.dashboard.unsaved[self.name_of_mode] = unsaved
        else:
            self.dashboard.unsaved.pop(self.name_of_mode, None)
        if self._is_changed != self._was_changed:  # other keys do something then
            self._was_changed = self._is_changed
            self.refresh_bindings()

    def _fill_effect(self) -> None:
        found = self._found
        if found is None and self._why_none:
            found = Found(trouble=self._why_none)
        elif self._repository is None and self.dashboard.snapshot.link is Link.HERE:
            found = Found(trouble=_NOBODY)
        pane = self.query_one("#effect", Pane)
        pane.show(lambda width: effect_lines(found, (width, pane.content_size.height)))
        pane.entitle("What that would change" if found is not None else "Preview", progress_text(found))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what was changed is written, or undone."""
        if action == "edit":
            return not (self.is_mounted and self._editor.has_focus)
        return self._is_changed if action in ("write", "undo") else True

    # what is read

    def on_screen_resume(self) -> None:
        chosen = self.dashboard.chosen  # what Page does is done, too
        if chosen is not None and chosen != self._repository and not self._is_changed:
            self._turn_to(chosen)
        else:
            self.action_read()
            self._judge_soon()

    def on_screen_suspend(self) -> None:
        self._judging.drop()

    def _turn_to(self, name: str) -> None:
        """Shows another repository; what was typed for the one before is kept."""
        self._drafts.typed(self._home, self._editor.text)
        is_of_all = self._home is None and self._repository is not None
        self._repository = name
        self._home = None if is_of_all else name
        self._rules = ()
        self._open()
        self.action_read()

    def _open(self) -> None:
        """Has the editor hold the draft that is meant now."""
        draft = self._draft
        if draft is None or draft.is_plain:
            self._editor.hold("" if draft is None else draft.text)
        else:
            self._editor.hold("".join(f"{shown(one)}\n" for one in draft.before))
        self._judge_soon()

    def action_read(self) -> None:
        """Asks the engine for the rules and patterns."""
        if self._repository is not None:
            self._reading.wish(self._repository)

    async def _learn(self, name: str) -> None:
        """Reads the rules of a repository, its patterns, and those of all."""
        try:
            found = await known(self.dashboard.source.client, name)
        except TreeledgerError as error:
            self._why_none = str(error)
            self.show_again()
            return
        self._take(name, found.own)
        if found.for_all is None:
            self._drafts.drop(None)
        else:
            self._take(None, found.for_all)
        self._why_none = found.no_rules or (found.no_place if self._home is None else "")
        if name == self._repository:
            self._show_rules(found.rules)

    def _show_rules(self, rules: tuple[Rule, ...]) -> None:
        """Shows rules; the last ones stay in sight until another one is chosen, since they decide."""
        listing = self.query_one("#rules", Listing)
        is_at_end = listing.place >= len(self._rules) - 1
        self._rules = rules
        self.show_again()
        if is_at_end:
            listing.action_last()

    def _take(self, home: Home, read: IgnorePatterns) -> None:
        """Takes up what is written somewhere; what a person typed stays."""
        if home == self._home:
            self._drafts.typed(home, self._editor.text)
        self._drafts.read(home, read)
        if home == self._home:
            self._open()

    # what others would change

    @on(TextArea.Changed, "#patterns")
    def _typed(self) -> None:
        self._drafts.typed(self._home, self._editor.text)
        self._judge_soon()
        self._fill_editor()

    def _judge_soon(self) -> None:
        """Has what is typed judged once it rests; what was found of another text is nothing any more."""
        draft = self._draft
        if draft is not None and draft.is_changed and self._judged == (self._home, draft.patterns):
            return
        self._judging.drop()
        self._judged = self._found = None
        if self._timer is not None:
            self._timer.stop()
        if self._is_changed:
            self._timer = self.set_timer(_QUIET, self._judge)

    def _judge(self) -> None:
        draft = self._draft
        if draft is not None and draft.is_changed and self.is_current:
            self._judging.wish((self._home, draft.patterns))

    async def _preview(self, what: tuple[Home, tuple[str, ...]]) -> None:
        """Adds up what patterns would change, portion by portion, while they are what is typed."""
        home, patterns = what
        snapshot = self.dashboard.snapshot
        here = None if snapshot.status is None else snapshot.status.host
        meant = [one for one in snapshot.repositories if home in (None, one.name) and one.host == here]
        try:
            client = self.dashboard.source.client
            async with aclosing(previewed(client, meant, patterns, for_all=home is None)) as portions:
                async for found in portions:
                    if self._judging.is_outdated:
                        return
                    self._show_found(found)
        except TreeledgerError as error:
            if not self._judging.is_outdated:
                self._show_found(Found(trouble=str(error), is_over=True))
        else:
            self._judged = what

    def _show_found(self, found: Found) -> None:
        self._found = found
        self._fill_effect()

    # what a person asks for

    def action_edit(self) -> None:
        self._editor.focus()

    def action_repository(self) -> None:
        """The next repository."""
        names = [one.name for one in self.dashboard.snapshot.repositories]
        if names:
            place = names.index(self._repository) + 1 if self._repository in names else 0
            self.dashboard.chosen = names[place % len(names)]
            self._turn_to(names[place % len(names)])
            self.show_again()

    def action_defaults(self) -> None:
        """From the patterns of a repository to those of all, and back."""
        self._drafts.typed(self._home, self._editor.text)
        self._home = self._repository if self._home is None else None
        self._open()
        self.action_read()
        self.show_again()

    def action_undo(self) -> None:
        self._drafts.undo(self._home)
        self._open()
        self.show_again()

    def action_write(self) -> None:
        """Shows what comes and goes, and where; writes it if that is meant."""
        self._drafts.typed(self._home, self._editor.text)
        draft, home = self._draft, self._home
        if draft is None or not draft.is_changed:
            return
        is_known = self._found is not None and self._judged == (home, draft.patterns)
        effect = ["", *summary(self._found)] if self._found is not None and is_known else []
        text = "\n".join([*differences(draft.before, draft.patterns), *effect])

        def answered(yes: bool | None) -> None:
            if yes:
                self._write(home, draft)

        self.app.push_screen(Confirm("Write these patterns?", f"{text}\n\nin {shown(draft.where)}"), answered)

    def _write(self, home: Home, draft: Draft) -> None:
        async def write(client: Client) -> None:
            try:
                written = await client.change_ignore_patterns(
                    draft.patterns, before=draft.before, repository=home
                )
                self._drafts.written(home, written)
                if home == self._home:
                    self._open()
            finally:
                self.action_read()  # what is there now, whoever wrote it

        self.dashboard.work(write, "Written; a scan takes it up now.")

    def action_ask(self) -> None:
        self.query_one(RuleQuestion).open()

    async def _answer(self, text: str) -> PathRule | None:
        """Which rule decides about a path below the root, or an absolute one."""
        one = self.dashboard.snapshot.repository(self._repository)
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
