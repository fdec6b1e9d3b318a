"""Ignore patterns as they are typed: one draft for each place where they are written. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from treeledger.names import shown
from treeledger.wire_ignore import IgnorePatterns

Home = str | None
"""Whose patterns: of the repository of this name, or of all."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Patterns as a person edits them: those that were read from `where`, and the text that is typed."""

    where: str
    before: tuple[str, ...]
    text: str

    @classmethod
    def of(cls, where: str, patterns: Sequence[str]) -> Draft:
        return cls(where, tuple(patterns), "".join(f"{one}\n" for one in patterns))

    @property
    def patterns(self) -> tuple[str, ...]:
        """A line each; empty ones are none."""
        return tuple(line for line in self.text.split("\n") if line.strip())

    @property
    def is_changed(self) -> bool:
        return self.patterns != tuple(one for one in self.before if one.strip())

    @property
    def is_plain(self) -> bool:
        """Whether what is read can be edited as it is shown."""
        return all(shown(one) == one for one in self.before)

    @property
    def as_shown(self) -> str:
        """The text for an editor."""
        return self.text if self.is_plain else "".join(f"{shown(one)}\n" for one in self.before)

    def read_again(self, where: str, patterns: Sequence[str]) -> Draft:
        """After these were read; what a person has typed meanwhile stays."""
        if not self.is_changed:
            return Draft.of(where, patterns)
        return replace(self, where=where, before=tuple(patterns))


@dataclass(frozen=True, slots=True)
class Drafts:
    """What a person has typed so far, kept until it is written."""

    by_home: Mapping[Home, Draft] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, home: Home) -> Draft | None:
        """None where nothing was read yet, or there is no place for them."""
        return self.by_home.get(home)

    def typed(self, home: Home, text: str) -> Drafts:
        """With what the editor holds; what cannot be edited as it is shown stays."""
        draft = self.get(home)
        if draft is None or not draft.is_plain or draft.text == text:
            return self
        return self._with(home, replace(draft, text=text))

    def read(self, home: Home, patterns: IgnorePatterns) -> Drafts:
        """With what is written; what a person has typed stays."""
        known = self.get(home) or Draft.of(patterns.where, ())
        return self._with(home, known.read_again(patterns.where, patterns.patterns))

    def written(self, home: Home, patterns: IgnorePatterns) -> Drafts:
        """Begun anew with what is written now."""
        return self._with(home, Draft.of(patterns.where, patterns.patterns))

    def undone(self, home: Home) -> Drafts:
        """Without what was typed there."""
        draft = self.get(home)
        return self if draft is None else self._with(home, Draft.of(draft.where, draft.before))

    def without(self, home: Home) -> Drafts:
        return Drafts(MappingProxyType({one: draft for one, draft in self.by_home.items() if one != home}))

    def _with(self, home: Home, draft: Draft) -> Drafts:
        return Drafts(MappingProxyType({**self.by_home, home: draft}))

    @property
    def unsaved(self) -> str:
        """What is lost with them, for people; "" if nothing is."""
        whose = [home or "all repositories" for home, draft in self.by_home.items() if draft.is_changed]
        if not whose:
            return ""
        return f"Patterns that are typed but not written are lost: those of {shown(', '.join(whose))}."
