"""The ignore rules of a repository, and what a person proposes instead of its patterns. Pure.

Whatever is typed stays until it is written or undone: by whatever is read, and wherever one turns to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from treeledger.tui.drafts import Draft, Drafts, Home
from treeledger.tui.ignore_reading import Known
from treeledger.tui.ignore_texts import Found, Rule
from treeledger.wire_ignore import IgnorePatterns


class Wish(NamedTuple):
    """Patterns that are to be judged: all that a repository, or every one, would have."""

    home: Home
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """`repository` is the one whose rules are shown, `home` whose patterns are edited: its own, or those of
    all.

    `trouble` is why its rules cannot be shown, `no_place` why there are no patterns for all; "" if there are.
    """

    repository: str | None = None
    home: Home = None
    drafts: Drafts = Drafts()  # noqa: RUF009 - a frozen value
    rules: tuple[Rule, ...] = ()
    trouble: str = ""
    no_place: str = ""
    judged: tuple[Wish, Found] | None = None

    @property
    def draft(self) -> Draft | None:
        """What is edited."""
        return self.drafts.get(self.home)

    @property
    def text(self) -> str:
        """What the editor is to hold."""
        return "" if self.draft is None else self.draft.as_shown

    @property
    def is_changed(self) -> bool:
        """Whether there is something to write, or to undo."""
        return self.draft is not None and self.draft.is_changed

    @property
    def wish(self) -> Wish | None:
        """What is to be judged now."""
        draft = self.draft
        return Wish(self.home, draft.patterns) if draft is not None and draft.is_changed else None

    @property
    def found(self) -> Found | None:
        """What the patterns that are typed now would change, as far as that was found."""
        return self.judged[1] if self.judged is not None and self.judged[0] == self.wish else None

    @property
    def verdict(self) -> Found | None:
        """As `found`, once all is found and nothing was in the way."""
        found = self.found
        return found if found is not None and found.is_over and not found.trouble else None

    @property
    def why_none(self) -> str:
        """Why there are no rules, or no patterns, to be shown."""
        return self.trouble or (self.no_place if self.home is None else "")

    def turned_to(self, name: str) -> Proposal:
        """About another repository; whoever edits the patterns of all goes on with them."""
        is_of_all = self.home is None and self.repository is not None
        return replace(self, repository=name, home=None if is_of_all else name, rules=(), trouble="")

    def among(self, names: Sequence[str], chosen: str | None) -> Proposal:
        """About a repository that there is: the chosen one, else the first, where its own is gone."""
        if not names or self.repository in names:
            return self
        return self.turned_to(chosen if chosen is not None and chosen in names else names[0])

    def switched(self) -> Proposal:
        """From the patterns of the repository to those of all, and back."""
        return replace(self, home=self.repository if self.home is None else None)

    def typed(self, text: str) -> Proposal:
        """With what the editor holds."""
        return replace(self, drafts=self.drafts.typed(self.home, text))

    def undone(self) -> Proposal:
        """With the patterns as they were read."""
        return replace(self, drafts=self.drafts.undone(self.home))

    def learnt(self, name: str, known: Known) -> Proposal:
        """With what was read of a repository."""
        drafts = self.drafts.read(name, known.own)
        of_all = known.for_all
        drafts = drafts.without(None) if of_all is None else drafts.read(None, of_all)
        read = replace(self, drafts=drafts, no_place=known.no_place)
        return replace(read, rules=known.rules, trouble=known.no_rules) if name == self.repository else read

    def written(self, home: Home, patterns: IgnorePatterns) -> Proposal:
        """With what is written now in the place of what was typed there."""
        return replace(self, drafts=self.drafts.written(home, patterns))

    def seen(self, wish: Wish, found: Found) -> Proposal:
        """With what was found so far."""
        return replace(self, judged=(wish, found))
