"""Ignore: the rules of a repository, its patterns in an editor, and what others would hide or reveal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Final

import anyio
from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, TextArea

from treeledger.answers import PathRule
from treeledger.errors import TreeledgerError, UsageError
from treeledger.names import shown, stored_from_os
from treeledger.tui.ignore_texts import (
    Draft,
    Found,
    Rule,
    RuleTable,
    answer_line,
    differences,
    effect_lines,
    progress_text,
    summary,
    with_origins,
)
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.screens.questions import Confirm
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane
from treeledger.wire_ignore import IgnorePatterns

_QUIET: Final = 0.15  # seconds without a key, after which what is typed is judged
_PATIENCE: Final = 60.0  # seconds that a preview looks for more

Home = str | None
"""Whose patterns: of the repository of this name, or of all."""


class Editor(TextArea):
    """Patterns, one in a line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.back", "Leave", key_display="esc"),
    ]


class IgnorePage(Page):
    """Rules, patterns, preview."""

    name_of_mode = "ignore"
    CSS_PATH = "ignore.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (130, "-wide")]  # noqa: RUF012 - as Screen declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,e", "edit", "Edit", key_display="enter", id="ignore.edit"),
        Binding("ctrl+s", "write", "Write", key_display="^s", id="ignore.write"),
        Binding("u", "undo", "Undo", id="ignore.undo"),
        Binding("i", "ask", "Check", id="ignore.ask"),
        Binding("r", "repository", "Repository", id="ignore.repository"),
        Binding("d", "defaults", "For all", id="ignore.defaults"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._repository: str | None = None  # the repository whose rules are shown
        self._home: Home = None
        self._drafts: dict[Home, Draft] = {}
        self._rules: tuple[Rule, ...] = ()
        self._why_none = ""  # why no rules, or no patterns for all, can be shown
        self._found: Found | None = None
        self._judged: tuple[Home, tuple[str, ...]] | None = None  # what it was found of, when it was over
        self._answer: PathRule | None = None
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        yield Container(
            Listing(id="rules"),
            Container(Editor(id="patterns", soft_wrap=False), Pane(id="effect"), id="proposal"),
            id="ignore",
        )
        yield Pane(id="answer")
        yield Input(placeholder="a path: which rule decides about it now?", id="asked", compact=True)

    def on_mount(self) -> None:
        self.query_one("#rules").focus()

    @property
    def _draft(self) -> Draft | None:
        return self._drafts.get(self._home)

    @property
    def _editor(self) -> TextArea:
        return self.query_one("#patterns", TextArea)

    @property
    def _is_changed(self) -> bool:
        return self._draft is not None and self._draft.is_changed

    # what is shown

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        if self._repository is None and snapshot.repositories:
            self._turn_to(self.dashboard.chosen or snapshot.repositories[0].name)
        rules = self.query_one("#rules", Listing)
        rules.show(RuleTable(self._rules))
        name = "" if self._repository is None else shown(self._repository)
        rules.entitle(f"Rules  {name}", "the last that matches decides")
        self._fill_editor()
        self._fill_effect()
        answer = self.query_one("#answer", Pane)
        answer.show(lambda width: (answer_line(self._answer, width),))

    def _fill_editor(self) -> None:
        editor, draft = self._editor, self._draft
        title = "Patterns for all repositories" if self._home is None else f"Patterns of {shown(self._home)}"
        editor.border_title = Content(title)
        editor.border_subtitle = Content("not written yet" if self._is_changed else "")
        editor.read_only = draft is None or not draft.is_plain
        self._note_unsaved()
        self.refresh_bindings()

    def _note_unsaved(self) -> None:
        """Has the dashboard ask before it is closed over what is typed and not written."""
        whose = [home or "all repositories" for home, draft in self._drafts.items() if draft.is_changed]
        if whose:
            text = f"Patterns that are typed but not written are lost: those of {shown(', '.join(whose))}."
            self.dashboard.unsaved[self.name_of_mode] = text
        else:
            self.dashboard.unsaved.pop(self.name_of_mode, None)

    def _fill_effect(self) -> None:
        found = self._found
        if found is None and self._why_none:
            found = Found(trouble=self._why_none)
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
        elif self._repository is not None:
            self._read()
            self._judge_soon()

    def on_screen_suspend(self) -> None:
        self.workers.cancel_group(self, "preview")

    def _turn_to(self, name: str) -> None:
        """Shows another repository; what was typed for the one before is kept."""
        self._stash()
        is_of_all = self._home is None and self._repository is not None
        self._repository = name
        self._home = None if is_of_all else name
        self._rules = ()
        self._open()
        self._read()

    def _stash(self) -> None:
        if (draft := self._draft) is not None and draft.is_plain:
            self._drafts[self._home] = replace(draft, text=self._editor.text)

    def _open(self) -> None:
        """Has the editor hold the draft that is meant now."""
        draft, editor = self._draft, self._editor
        text = "" if draft is None else draft.text
        if draft is not None and not draft.is_plain:
            text = shown(text.replace("\n", " "))
        if editor.text != text:
            editor.load_text(text)
            editor.move_cursor(editor.document.end)
        self._judge_soon()

    def _read(self) -> None:
        if (name := self._repository) is not None:
            self._learn(name)

    @work(group="rules", exclusive=True)
    async def _learn(self, name: str) -> None:
        """Reads the rules of a repository, its patterns, and those of all."""
        self._why_none = ""
        try:
            client = self.dashboard.source.client
            own = await client.ignore_patterns(name)
            self._take(name, own)
            for_all: IgnorePatterns | None = None
            try:
                for_all = await client.ignore_patterns()
                self._take(None, for_all)
            except UsageError as error:  # there is no file to hold them
                self._drafts.pop(None, None)
                self._why_none = str(error) if self._home is None else ""
            rules = [one async for one in client.ignore_rules(name)]
            all_of = () if for_all is None else for_all.patterns
            self._show_rules(with_origins(rules, all_of, own.patterns, name))
        except TreeledgerError as error:
            self._why_none = str(error)
        self.show_again()

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
            self._stash()
        known = self._drafts.get(home)
        fresh = Draft.of(read.where, read.patterns)
        self._drafts[home] = fresh if known is None else known.read_again(read.where, read.patterns)
        if home == self._home:
            self._open()

    # what others would change

    @on(TextArea.Changed, "#patterns")
    def _typed(self) -> None:
        self._stash()
        self._judge_soon()
        self._fill_editor()

    def _judge_soon(self) -> None:
        """Has what is typed judged once it rests; what was found of another text is nothing any more."""
        draft = self._draft
        if draft is not None and draft.is_changed and self._judged == (self._home, draft.patterns):
            return
        self.workers.cancel_group(self, "preview")
        self._judged = None
        if self._timer is not None:
            self._timer.stop()
        self._found = None
        if self._is_changed:
            self._timer = self.set_timer(_QUIET, self._judge)

    def _judge(self) -> None:
        if self._is_changed and self.is_current:
            self._preview()

    @work(group="preview", exclusive=True)
    async def _preview(self) -> None:
        """Adds up what the patterns would change, portion by portion, while they stay what they are."""
        draft, home = self._draft, self._home
        assert draft is not None
        snapshot = self.dashboard.snapshot
        meant = [one for one in snapshot.repositories if home is None or one.name == home]
        found = Found(expected=sum(one.files for one in meant))
        until = anyio.current_time() + _PATIENCE
        try:
            for one in meant:
                after: str | None = None
                while not found.is_cut:
                    portion = await self.dashboard.source.client.preview_ignore(
                        one.name, draft.patterns, of="defaults" if home is None else "repository", after=after
                    )
                    found = found.added(portion, one.name if home is None else "")
                    self._show_found(found)
                    if (after := portion.next) is None:
                        break
                    found = replace(found, is_cut=anyio.current_time() > until)
        except TreeledgerError as error:
            found = replace(found, trouble=str(error))
        else:
            self._judged = home, draft.patterns
        self._show_found(replace(found, is_over=True))

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
            name = names[place % len(names)]
            self.dashboard.chosen = name
            self._turn_to(name)
            self.show_again()

    def action_defaults(self) -> None:
        """From the patterns of a repository to those of all, and back."""
        self._stash()
        self._home = self._repository if self._home is None else None
        self._open()
        self._read()
        self.show_again()

    def action_undo(self) -> None:
        draft = self._draft
        if draft is not None and draft.is_changed:
            self._drafts[self._home] = Draft.of(draft.where, draft.before)
            self._open()
            self.show_again()

    def action_write(self) -> None:
        """Shows what comes and goes, and where; writes it if that is meant."""
        self._stash()
        draft, home = self._draft, self._home
        if draft is None or not draft.is_changed:
            return
        text = "\n".join([*differences(draft.before, draft.patterns), *self._summary(draft)])

        def answered(yes: bool | None) -> None:
            if yes:
                self._write(home, draft)

        self.app.push_screen(Confirm("Write these patterns?", f"{text}\n\nin {shown(draft.where)}"), answered)

    def _summary(self, draft: Draft) -> list[str]:
        """What they would change, as far as that is known of just these."""
        found = self._found
        is_known = found is not None and self._judged == (self._home, draft.patterns)
        return ["", *summary(found)] if found is not None and is_known else []

    @work(group="write")
    async def _write(self, home: Home, draft: Draft) -> None:
        try:
            written = await self.dashboard.source.client.change_ignore_patterns(
                draft.patterns, before=draft.before, repository=home
            )
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="error", timeout=10, markup=False)
        else:
            self._drafts[home] = Draft.of(written.where, written.patterns)
            self.notify(f"Written to {shown(written.where)}; a scan takes it up now.", markup=False)
            if home == self._home:
                self._open()
        self._read()

    def action_ask(self) -> None:
        entry = self.query_one("#asked", Input)
        entry.display = self.query_one("#answer").display = True
        entry.focus()

    @on(Input.Changed, "#asked")
    def _asked(self, event: Input.Changed) -> None:
        self._ask(event.value)

    @work(group="ask", exclusive=True)
    async def _ask(self, text: str) -> None:
        one = self.dashboard.snapshot.repository(self._repository)
        self._answer = None
        if one is not None and text.strip():
            path = stored_from_os(text).removeprefix(one.root.rstrip("/") + "/")
            try:
                (self._answer,) = await self.dashboard.source.client.ignore_check(one.name, [path])
            except TreeledgerError as error:
                self.notify(shown(str(error)), severity="warning", markup=False)
        self.show_again()

    @on(Input.Submitted, "#asked")
    def _leave_asking(self) -> None:
        self.query_one("#asked").display = self.query_one("#answer").display = False
        self.query_one("#rules").focus()

    def action_back(self) -> None:
        if self.query_one("#asked").has_focus:
            self._leave_asking()
        elif self._editor.has_focus:
            self.query_one("#rules").focus()
        else:
            self.app.switch_mode("home")
