"""What becomes of a proposal of other ignore patterns, whatever is typed, read and written in any order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from treeledger.tui.drafts import Home
from treeledger.tui.ignore_reading import Known
from treeledger.tui.ignore_texts import Found, Rule
from treeledger.tui.proposal import Proposal
from treeledger.wire_ignore import IgnorePatterns

NAMES = ("photos", "scans")
LINES = ["*.raw", "!keep", "", "  "]
lines = st.lists(st.sampled_from(LINES), max_size=3)
patterns = st.lists(st.sampled_from([*LINES[:2], "odd\x1b"]), max_size=2)


def written(home: Home, some: list[str]) -> IgnorePatterns:
    return IgnorePatterns(repository=home, where=f"where {home} is written", patterns=some)


def known(name: str, own: list[str], of_all: list[str] | None) -> Known:
    for_all = None if of_all is None else written(None, of_all)
    rules = tuple(Rule(one, name, True) for one in own)
    return Known(written(name, own), for_all, rules, "" if of_all is not None else "no file", "")


class Editing(RuleBasedStateMachine):
    """A person and an engine, and what ought to be there by what they did."""

    def __init__(self) -> None:
        super().__init__()
        self.proposal = Proposal()
        self.typed: dict[Home, str] = {}  # and neither written nor undone, as far as it is another text

    @property
    def home(self) -> Home:
        return self.proposal.home

    @rule(name=st.sampled_from(NAMES))
    def turn(self, name: str) -> None:
        self.proposal = self.proposal.turned_to(name)

    @rule(names=st.sets(st.sampled_from(NAMES)), chosen=st.sampled_from([None, *NAMES]))
    def follow(self, names: set[str], chosen: str | None) -> None:
        self.proposal = self.proposal.among(sorted(names), chosen)
        assert not names or self.proposal.repository in names

    @precondition(lambda self: self.proposal.repository is not None)
    @rule()
    def switch(self) -> None:
        there_and_back = self.proposal.switched().switched()
        assert there_and_back == self.proposal
        self.proposal = self.proposal.switched()

    @rule(some=lines)
    def type(self, some: list[str]) -> None:
        before, text = self.proposal, "\n".join(some)
        self.proposal = before.typed(text)
        if before.draft is not None and before.draft.is_plain:
            self.typed[self.home] = text
        else:
            assert self.proposal == before, "what cannot be edited stays"

    @rule(name=st.sampled_from(NAMES), own=patterns, of_all=st.none() | patterns)
    def read(self, name: str, own: list[str], of_all: list[str] | None) -> None:
        before = self.proposal.rules
        kept = {home: draft for home, draft in self.proposal.drafts.by_home.items() if draft.is_changed}
        self.proposal = self.proposal.learnt(name, known(name, own, of_all))
        if of_all is None:
            self.typed.pop(None, None)
        for home in (name, None):
            if home not in kept:
                self.typed.pop(home, None)
        mine = name == self.proposal.repository
        assert self.proposal.rules == (tuple(Rule(one, name, True) for one in own) if mine else before)

    @rule(home=st.sampled_from([None, *NAMES]), some=patterns)
    def write(self, home: Home, some: list[str]) -> None:
        self.proposal = self.proposal.written(home, written(home, some))
        self.typed.pop(home, None)
        draft = self.proposal.drafts.get(home)
        assert draft is not None
        assert not draft.is_changed

    @rule()
    def undo(self) -> None:
        self.proposal = self.proposal.undone()
        self.typed.pop(self.home, None)
        assert not self.proposal.is_changed

    @precondition(lambda self: self.proposal.wish is not None)
    @rule(is_over=st.booleans(), trouble=st.sampled_from(["", "it is not mounted"]))
    def judge(self, is_over: bool, trouble: str) -> None:
        wish = self.proposal.wish
        assert wish is not None
        found = Found(is_over=is_over, trouble=trouble)
        self.proposal = self.proposal.seen(wish, found)
        assert self.proposal.found == found
        assert (self.proposal.verdict is None) is (not is_over or bool(trouble))

    @invariant()
    def what_is_typed_stays(self) -> None:
        for home, text in self.typed.items():
            draft = self.proposal.drafts.get(home)
            assert draft is not None
            assert draft.text == text

    @invariant()
    def what_was_found_is_of_what_is_typed_now(self) -> None:
        if self.proposal.found is not None:
            assert self.proposal.judged is not None
            assert self.proposal.judged[0] == self.proposal.wish
            assert self.proposal.is_changed

    @invariant()
    def what_the_editor_holds_is_what_it_is_given(self) -> None:
        assert self.proposal.typed(self.proposal.text) == self.proposal


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=50)


def test_why_there_is_nothing_to_be_shown() -> None:
    one = Proposal().turned_to("photos").learnt("photos", known("photos", ["*.raw"], None))
    assert one.why_none == ""
    assert one.switched().why_none == "no file"
    offline = replace(one, trouble="it is not mounted")
    assert offline.why_none == "it is not mounted"
    assert offline.turned_to("scans").why_none == ""
